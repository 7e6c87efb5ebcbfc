<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use Lyger\Database\Client;
use Lyger\Database\Db;
use PHPUnit\Framework\TestCase;

/** Tests of the SQL API, each over every database and with a client of its own. */
abstract class SqlTestCase extends TestCase
{
    public function databases(): array
    {
        return Databases::all();
    }

    protected function setUp(): void
    {
        Client::end();
    }

    protected function tearDown(): void
    {
        Client::end();
    }

    /** A table of numbers, (id INT PRIMARY KEY, n INT), with these. */
    protected function numbers(Db $db, int ...$numbers): string
    {
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (id INT PRIMARY KEY, n INT)");
        foreach ($numbers as $index => $number) {
            $db->execute("INSERT INTO $table VALUES (?, ?)", [$index + 1, $number]);
        }
        return $table;
    }
}
