<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Many rows come from the engine in another form than few, in blocks of 1,024: nobody sees a difference. */
final class ManyRowsTest extends TestCase
{
    private const ROWS = 1_100;

    /** @return array<string, array{string}> */
    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_rows_are_the_same_however_many_there_are(string $dsn): void
    {
        [$db, $table, $rows] = $this->filled($dsn);
        foreach ([0, 1, 31, 32, 33, 1_024, 1_025, self::ROWS] as $count) {
            $expected = array_slice($rows, 0, $count);
            self::assertSame($expected, $db->query("SELECT * FROM $table ORDER BY n LIMIT $count"), "$count rows");
        }
        $result = $db->result("SELECT * FROM $table ORDER BY n");
        self::assertSame([$rows, $rows], [$result->all(), iterator_to_array($result, false)]);
        $stream = $db->stream("SELECT * FROM $table ORDER BY n");
        self::assertSame($rows, iterator_to_array($stream, false));
    }

    /** @dataProvider databases */
    public function test_one_column_is_rows_as_well(string $dsn): void
    {
        [$db, $table, $rows] = $this->filled($dsn);
        foreach (['i', 'd', 's', 'b', 'e', 't'] as $name) {
            $expected = array_map(static fn (array $row): array => [$name => $row[$name]], $rows);
            self::assertSame($expected, $db->query("SELECT $name FROM $table ORDER BY n"), $name);
        }
    }

    /** @dataProvider databases */
    public function test_the_last_column_of_a_name_wins_and_a_number_is_a_key_of_php(string $dsn): void
    {
        [$db, $table, $rows] = $this->filled($dsn);
        $quote = Databases::name($dsn) === 'mysql' ? '`' : '"';
        $names = "n AS x, s AS {$quote}7{$quote}, n + 1 AS x, i AS {$quote}ü \\' {$quote}";
        $expected = array_map(
            static fn (array $row): array => ['x' => $row['n'] + 1, 7 => $row['s'], "ü \\' " => $row['i']],
            $rows,
        );
        self::assertSame($expected, $db->query("SELECT $names FROM $table ORDER BY n"));
    }

    /** @return array{Db, string, list<array<string, mixed>>} */
    private function filled(string $dsn): array
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $bytes = ['sqlite' => 'BLOB', 'postgres' => 'BYTEA', 'mysql' => 'VARBINARY(9)'][Databases::name($dsn)];
        $db->execute(
            "CREATE TABLE $table (n INT, i BIGINT, d DOUBLE PRECISION, s VARCHAR(200), b $bytes, e VARCHAR(9),
                t BOOLEAN)"
        );
        $rows = [];
        for ($n = 0; $n < self::ROWS; $n++) {
            $rows[] = [
                'n' => $n,
                'i' => [null, PHP_INT_MIN, PHP_INT_MAX, -1, 0][$n % 5],
                'd' => [null, 0.1, -1.5e300, 1 / 3][$n % 4],
                's' => [null, '', 'ü"\\', str_repeat('long ', 40)][$n % 4],
                // A NUL byte, but not in each block.
                'b' => [null, "\xff", $n < 1_024 ? "a\0b" : 'ab'][$n % 3],
                'e' => '',
                // MySQL has none of its own.
                't' => (Databases::name($dsn) === 'mysql' ? [1, 0, null] : [true, false, null])[$n % 3],
            ];
        }
        foreach (array_chunk($rows, 100) as $chunk) {
            $values = implode(', ', array_fill(0, count($chunk), '(?, ?, ?, ?, ?, ?, ?)'));
            $params = [];
            foreach ($chunk as $row) {
                $row['b'] = $row['b'] === null ? null : new Bytes($row['b']);
                array_push($params, ...array_values($row));
            }
            $db->execute("INSERT INTO $table VALUES $values", $params);
        }
        return [$db, $table, $rows];
    }
}
