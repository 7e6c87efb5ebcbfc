<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Client;
use Lyger\Database\Db;
use Lyger\Exception\InvalidHandle;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;

/** Rows one after the other, while the database still has the rest. */
final class StreamTest extends SqlTestCase
{
    private const ROWS = 200_000;

    /** @dataProvider databases */
    public function test_memory_stays_small_however_many_rows_there_are(string $dsn): void
    {
        $db = Db::connect($dsn);
        $wide = ['sqlite' => "printf('%.200c', 'x')", 'postgres' => "repeat('x', 200)", 'mysql' => "REPEAT('x', 200)"];
        $sql = "SELECT n, {$wide[Databases::name($dsn)]} AS t FROM (" . ResultTest::series($dsn, self::ROWS) . ') AS s';
        $resident = self::residentBytes();
        gc_collect_cycles();
        memory_reset_peak_usage();
        $before = memory_get_peak_usage();
        [$count, $sum] = [0, 0];
        foreach ($db->stream($sql) as $index => $row) {
            self::assertSame($count, $index);
            $count++;
            $sum += $row['n'];
        }
        self::assertSame([self::ROWS, self::ROWS * (self::ROWS + 1) / 2], [$count, $sum]);
        // All of them are 40 MB in the engine and 100 MB in PHP, which doesn't count what its drivers hold: the system
        // does.
        self::assertLessThan(4 << 20, memory_get_peak_usage() - $before);
        self::assertLessThan(20 << 20, self::residentBytes() - $resident);
    }

    /** @dataProvider databases */
    public function test_a_stream_gives_what_a_query_gives(string $dsn): void
    {
        $db = Db::connect($dsn);
        foreach ([0, 1, 499, 500, 501, 1_000] as $rows) {
            $sql = "SELECT n, n * 0.5 AS f, 'ü' AS t, NULL AS z FROM (" . ResultTest::series($dsn, 1_000)
                . ") AS s WHERE n <= ?";
            self::assertSame($db->query($sql, [$rows]), iterator_to_array($db->stream($sql, [$rows])), "$rows rows");
        }
    }

    /** @dataProvider databases */
    public function test_a_statement_without_rows_and_one_that_writes_are_run_as_well(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db);
        self::assertSame([], iterator_to_array($db->stream("INSERT INTO $table VALUES (1, 5), (2, 6)")));
        self::assertSame(
            [['id' => 3]],
            iterator_to_array($db->stream("INSERT INTO $table VALUES (?, ?) RETURNING id", [3, 7])),
        );
        self::assertSame([5, 6, 7], $db->column("SELECT n FROM $table ORDER BY id"));
    }

    /** @dataProvider databases */
    public function test_other_statements_run_beside_a_stream_and_a_second_one(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 0);
        $seen = 0;
        foreach ($db->stream(ResultTest::series($dsn, 1_500)) as $row) {
            if ($row['n'] % 500 === 1) {
                $db->execute("UPDATE $table SET n = n + 1");
                foreach ($db->stream(ResultTest::series($dsn, 700)) as $_) {
                    $seen++;
                }
            }
        }
        self::assertSame([3, 2_100], [$db->value("SELECT n FROM $table"), $seen]);
    }

    /** @dataProvider databases */
    public function test_leaving_a_stream_early_ends_it_and_harms_nothing(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $began = microtime(true);
        foreach ([1, 2, 3] as $_) {
            foreach ($db->stream(ResultTest::series($dsn, 50_000_000)) as $row) {
                if ($row['n'] === 600) {
                    break;
                }
            }
        }
        self::assertSame(600, $row['n']);
        self::assertLessThan(8.0, microtime(true) - $began); // reading the rest of all three takes twice as long
        self::assertSame(1, $db->execute("UPDATE $table SET n = 2")->affected);
        self::assertFalse($db->inTransaction());
    }

    /** @dataProvider databases */
    public function test_within_a_transaction_a_stream_sees_what_it_has_written(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1, 2, 3);
        $db->transaction(static function (Db $db) use ($table): void {
            $db->execute("UPDATE $table SET n = n + 10");
            foreach ($db->stream("SELECT * FROM $table ORDER BY id") as $row) {
                self::assertSame($row['id'] + 10, $row['n']);
                $db->execute("UPDATE $table SET n = ? WHERE id = ?", [$row['n'] * 2, $row['id']]);
            }
        });
        self::assertSame([22, 24, 26], $db->column("SELECT n FROM $table ORDER BY id"));
    }

    /** @dataProvider databases */
    public function test_what_is_wrong_with_a_stream_is_told_at_its_first_row(string $dsn): void
    {
        $db = Db::connect($dsn);
        $wrong = [
            [QueryFailed::class, 'SELECT * FROM no_such_table', []],
            [QueryFailed::class, '', []],
            [InvalidParams::class, 'SELECT 1 AS a', [1]],
        ];
        foreach ($wrong as [$class, $sql, $params]) {
            $stream = $db->stream($sql, $params);
            try {
                $stream->current();
                self::fail($sql);
            } catch (LygerException $exception) {
                self::assertSame($class, $exception::class);
            }
        }
        self::assertSame(1, $db->value('SELECT 1 AS a'));
    }

    public function test_an_error_amid_the_rows_reaches_the_loop(): void
    {
        $statements = [
            'postgres' => 'SELECT 1000 / (200000 - n) AS a FROM generate_series(1, 300000) AS n',
            'mysql' => 'SELECT (SELECT seq FROM seq_1_to_2 WHERE seq <= IF(s.seq < 200000, 1, 2)) AS a '
                . 'FROM seq_1_to_300000 s',
        ];
        foreach ($statements as $name => $sql) {
            $db = Db::connect(Databases::server($name));
            $seen = 0;
            try {
                foreach ($db->stream($sql) as $_) {
                    $seen++;
                }
                self::fail('no exception');
            } catch (QueryFailed $exception) {
                self::assertGreaterThan(0, $seen);
                self::assertSame($name === 'postgres' ? '22012' : '21000', $exception->sqlstate());
            }
            self::assertSame(1, $db->value('SELECT 1 AS a'), 'the next statement has a connection in order');
        }
    }

    /** @dataProvider databases */
    public function test_a_client_that_ends_closes_its_streams(string $dsn): void
    {
        $stream = Db::connect($dsn)->stream(ResultTest::series($dsn, 10_000));
        self::assertSame(['n' => 1], $stream->current());
        Client::end();
        $this->expectException(InvalidHandle::class);
        foreach ($stream as $_) {
        }
    }

    public function test_a_stream_that_was_closed_or_never_opened_has_no_rows(): void
    {
        $this->expectException(InvalidHandle::class);
        Engine::getInstance()->nextChunk(4711);
    }

    /** What the system has given this process. */
    private static function residentBytes(): int
    {
        preg_match('/^VmRSS:\s+(\d+) kB/m', (string) file_get_contents('/proc/self/status'), $match);
        return (int) $match[1] * 1024;
    }
}
