<?php

declare(strict_types=1);

use Lyger\Database\Db;
use Lyger\Exception\LygerException;
use Lyger\Http\Response;
use Lyger\Routing\Route;

Route::get('/boot', fn () => Response::json($GLOBALS['booted'] ?? null));
Route::get('/case/{name}/{number}', fn (string $name, string $number) => Response::text(outcome($name, (int) $number)));
Route::get('/say/{name}/{text}', fn (string $name, string $text) => Response::text(
    Db::connect(dsn($name))->query('SELECT ? AS said', [$text])[0]['said'],
));

// Says on stderr who it is and then waits in the database; afterwards what became of it, to nobody perhaps.
$wait = function (string $name, string $seconds) {
    $sql = $name === 'mysql' ? "SELECT SLEEP($seconds) AS n" : "SELECT 1 AS n FROM pg_sleep($seconds)";
    fwrite(STDERR, 'waiting ' . getmypid() . "\n");
    try {
        $what = json_encode(Db::connect(dsn($name))->query($sql));
    } catch (LygerException $exception) {
        $what = $exception::class . ' ' . $exception->sqlstate();
    }
    fwrite(STDERR, 'waited ' . getmypid() . " $what\n");
    return Response::text((string) $what);
};
Route::get('/wait/{name}/{seconds}', $wait);
Route::post('/wait/{name}/{seconds}', $wait);
