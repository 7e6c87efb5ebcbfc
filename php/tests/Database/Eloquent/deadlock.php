<?php

/** The other side of a deadlock: locks the second row, is told to go on, wants the first. Prints how often it ran. */

declare(strict_types=1);

use Illuminate\Support\Facades\DB;
use Lyger\Database\Eloquent\Eloquent;

require dirname(__DIR__, 3) . '/autoload.php';

Eloquent::boot($argv[1], $argv[2]);
$runs = 0;
DB::transaction(static function () use (&$runs): void {
    $runs++;
    DB::table('authors')->where('id', 2)->increment('balance');
    if ($runs === 1) {
        echo "has the second\n";
        fgets(STDIN);
    }
    DB::table('authors')->where('id', 1)->increment('balance');
}, 5);
echo "$runs\n";
