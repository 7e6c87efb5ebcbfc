<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Native\LastRows;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Http\Response;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;
use ReflectionClass;

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

    /** @dataProvider databases */
    public function test_the_json_of_rows_is_that_of_their_values_as_they_are_and_changed(string $dsn): void
    {
        [$db, $table] = $this->filled($dsn);
        $db->execute("CREATE TABLE {$table}2 (n INT, s VARCHAR(200))");
        foreach (range(0, 127) as $n) {
            $db->execute("INSERT INTO {$table}2 VALUES (?, ?)", [$n, $n === 0 ? "\u{2028}</é>" : 'a' . chr($n) . '/']);
        }
        $statements = [
            "SELECT n, i, s, t FROM $table ORDER BY n", // by the engine, as far as it is there
            "SELECT n, n * 0.37 AS d, b AS x FROM $table WHERE n < 1000 AND n % 3 <> 1 AND n % 3 <> 2 ORDER BY n",
            "SELECT * FROM $table ORDER BY n", // not UTF-8, a NUL byte, and floats that need an exponent
            "SELECT n AS \"0\", n AS \"1\" FROM $table ORDER BY n",
            "SELECT n AS \"say \"\"hi\"\" /\" FROM $table ORDER BY n",
            "SELECT * FROM {$table}2 ORDER BY n",
            "SELECT * FROM {$table}2 WHERE n < 0",
        ];
        foreach ($statements as $sql) {
            if (Databases::name($dsn) === 'mysql') {
                $sql = strtr($sql, ['"say ""hi"" /"' => '`say "hi" /`', '"' => '`']);
            }
            $rows = $db->query($sql);
            $asTheyAre = Response::json($rows)->body();
            self::assertSame(self::json($rows), $asTheyAre, $sql);
            self::assertSame($asTheyAre, Response::json($rows)->body(), 'once more');
            $rows[] = ['n' => 'more'];
            self::assertSame(self::json($rows), Response::json($rows)->body(), "$sql, with one more");
        }
        $rows = $db->query("SELECT n, s FROM $table ORDER BY n");
        $others = $rows;
        $rows[900]['s'] = 'changed';
        self::assertSame(self::json($rows), Response::json($rows)->body());
        self::assertSame(self::json($others), Response::json($others)->body());
        foreach ($others as &$row) {
            $row['n']++;
        }
        unset($row);
        self::assertSame(self::json($others), Response::json($others)->body());
        self::assertNotSame(self::json($rows), self::json($others));
    }

    public function test_rows_that_were_let_go_of_are_not_held(): void
    {
        $db = Db::connect('sqlite::memory:');
        $count = 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 50000) SELECT';
        $before = memory_get_usage();
        $rows = $db->query("$count n FROM s");
        self::assertGreaterThan(10_000_000, memory_get_usage() - $before);
        $json = Response::json($rows)->body();
        self::assertSame('[{"n":1},{"n":2}', substr($json, 0, 16));
        unset($rows, $json);
        self::assertLessThan(5_000_000, memory_get_usage() - $before);
    }

    public function test_json_that_is_far_longer_than_its_rows_leaves_no_large_buffer_behind(): void
    {
        $db = Db::connect('sqlite::memory:');
        $forty = 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 40)';
        foreach ([5_000, 10_000] as $length) {
            $rows = $db->query("$forty SELECT ? AS t FROM s", [str_repeat("\x01", $length)]);
            self::assertSame(self::json($rows), Response::json($rows)->body());
            $held = (new ReflectionClass(LastRows::class))->getStaticPropertyValue('bufferBytes');
            self::assertLessThanOrEqual(2_097_152, $held, "$length: it is kept for the process's life");
        }
    }

    public function test_floats_have_the_digits_that_php_was_told_to_write(): void
    {
        $db = Db::connect('sqlite::memory:');
        $forty = 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT 40)';
        $rows = $db->query("$forty SELECT 1.1 AS d FROM s");
        self::assertStringStartsWith('[{"d":1.1},', Response::json($rows)->body());
        $before = ini_set('serialize_precision', '17');
        try {
            self::assertStringStartsWith('[{"d":1.1000000000000001},', Response::json($rows)->body());
        } finally {
            ini_set('serialize_precision', (string) $before);
        }
    }

    /** Without a look at where they come from: they stand in something else. */
    private static function json(array $rows): string
    {
        return substr(Response::json(['rows' => $rows])->body(), strlen('{"rows":'), -1);
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
