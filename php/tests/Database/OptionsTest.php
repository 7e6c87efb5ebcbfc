<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LockTimeout;
use Lyger\Exception\LygerException;
use Lyger\Exception\Timeout;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\Observer;
use Lyger\Tests\Support\SqlTestCase;

use function Lyger\async;
use function Lyger\await;

/** timeout(), retry() and decimals(): each gives a changed copy, and leaves the Db that it was asked of. */
final class OptionsTest extends SqlTestCase
{
    /** What takes a minute. */
    private const LONG = [
        'sqlite' => 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3000000000) '
            . 'SELECT COUNT(*) AS n FROM s',
        'postgres' => 'SELECT 1 AS n FROM pg_sleep(60)',
        'mysql' => 'SELECT SLEEP(60) AS n',
    ];

    /** @dataProvider databases */
    public function test_a_statement_ends_at_its_timeout_and_the_next_has_the_usual_time(string $dsn): void
    {
        $name = Databases::name($dsn);
        if ($name === 'sqlite' && !Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: pure PHP cannot interrupt SQLite');
        }
        $db = Db::connect($dsn);
        $began = microtime(true);
        $runs = [
            static fn (Db $db): ?array => $db->stream(self::LONG[$name])->current(),
            static fn (Db $db): array => $db->query(self::LONG[$name]),
        ];
        foreach ($runs as $run) {
            try {
                $run($db->timeout(0.3));
                self::fail('no exception');
            } catch (Timeout $timeout) {
                self::assertStringContainsString('300 ms', $timeout->getMessage());
            }
        }
        self::assertLessThan(20.0, microtime(true) - $began);
        if ($name !== 'sqlite') {
            $short = ['postgres' => 'SELECT 1 AS n FROM pg_sleep(0.5)', 'mysql' => 'SELECT SLEEP(0.5) + 1 AS n'][$name];
            self::assertSame(1, $db->value($short));
        }
    }

    public function test_waiting_for_a_lock_of_sqlite_ends_with_the_sooner_limit(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: pure PHP cannot interrupt SQLite');
        }
        $dsn = Databases::sqlite();
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $other = new Observer($dsn);
        $other->run('BEGIN IMMEDIATE');
        $update = "UPDATE $table SET n = n + 1";
        $began = microtime(true);
        try {
            $db->timeout(0.3)->execute($update);
            self::fail('no exception');
        } catch (Timeout $timeout) {
            self::assertStringContainsString('300 ms', $timeout->getMessage());
        }
        $db->lockTimeout(0.2);
        try {
            $db->timeout(20)->execute($update);
            self::fail('no exception');
        } catch (LockTimeout) {
        }
        self::assertLessThan(4.0, microtime(true) - $began);
        $other->run('ROLLBACK');
        self::assertSame(1, $db->timeout(0.3)->execute($update)->affected);
        self::assertSame(2, $db->value("SELECT n FROM $table"));
    }

    public function test_a_timeout_within_a_transaction_leaves_it_in_order(): void
    {
        foreach (['postgres', 'mysql'] as $name) {
            $db = Db::connect(Databases::server($name));
            $table = $this->numbers($db, 1);
            $db->transaction(static function (Db $db) use ($table, $name): void {
                $db->execute("UPDATE $table SET n = 2");
                try {
                    $db->transaction(static fn (Db $db) => $db->timeout(0.2)->query(self::LONG[$name]));
                    self::fail('no exception');
                } catch (Timeout) {
                }
                $db->timeout(5)->execute("UPDATE $table SET n = n + 1");
            });
            self::assertSame(3, $db->value("SELECT n FROM $table"), $name);
        }
    }

    public function test_a_statement_whose_connection_broke_is_run_again_if_that_was_asked_for(): void
    {
        $dsn = Databases::server('postgres');
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 0);
        // The first two are killed as they run; a sequence counts on, whatever becomes of its transaction.
        $db->execute("CREATE SEQUENCE {$table}_runs");
        $sql = "SELECT CASE WHEN nextval('{$table}_runs') % 3 > 0 "
            . 'THEN pg_terminate_backend(pg_backend_pid())::int ELSE 7 END';
        foreach ([0, 1] as $times) {
            try {
                $db->retry($times)->value($sql);
                self::fail("with $times repetitions");
            } catch (ConnectionFailed) {
            }
            $db->execute("ALTER SEQUENCE {$table}_runs RESTART");
        }
        self::assertSame(7, $db->retry(2)->value($sql));
        self::assertEquals(3, (new Observer($dsn))->value("SELECT last_value FROM {$table}_runs"));
        $this->expectException(InvalidArgument::class);
        $db->retry(-1);
    }

    /** @dataProvider databases */
    public function test_each_statement_has_its_own_database_options_form_and_strand(string $dsn): void
    {
        $files = [tempnam(sys_get_temp_dir(), 'one'), tempnam(sys_get_temp_dir(), 'the-other')];
        try {
            [$one, $other] = array_map(static fn (string $file): Db => Db::connect("sqlite:$file"), $files);
            $one->execute('CREATE TABLE t AS SELECT 1.5 AS d UNION ALL SELECT 2.5');
            $other->execute('CREATE TABLE t AS SELECT 3.5 AS d');
            $server = Db::connect($dsn);
            $numbers = $server->decimals('number');
            $decimal = 'SELECT CAST(9.5 AS DECIMAL(3, 1)) AS d';
            $number = Databases::name($dsn) === 'sqlite' ? 9.5 : '9.5';
            for ($time = 0; $time < 3; $time++) {
                self::assertSame([['d' => 1.5], ['d' => 2.5]], $one->query('SELECT d FROM t'));
                self::assertSame(3.5, $other->value('SELECT d FROM t'));
                self::assertSame([1.5, 2.5], $one->column('SELECT d FROM t'));
                self::assertSame($number, $server->value($decimal));
                $value = async(static fn () => $numbers->value($decimal));
                self::assertSame([9.5], await([$value]));
                self::assertSame($number, $server->row($decimal)['d']);
                self::assertSame('[{"d":1.5},{"d":2.5}]', $one->json('SELECT d FROM t'));
                self::assertSame(['d' => 3.5], $other->row('SELECT d FROM t'));
            }
            // One that is refused before it is sent still says who asks next.
            $server->begin();
            $refused = async(static fn () => $server->query("\xff"));
            try {
                await([$refused]);
                self::fail('no exception');
            } catch (LygerException) {
                self::assertTrue($server->inTransaction());
            }
            $server->rollback();
        } finally {
            array_map(unlink(...), $files);
        }
    }

    /** @dataProvider databases */
    public function test_decimals_are_exact_digits_or_numbers(string $dsn): void
    {
        $db = Db::connect($dsn);
        $sql = 'SELECT CAST(12345678901234567890.10 AS DECIMAL(22, 2)) AS d, CAST(-0.5 AS DECIMAL(3, 1)) AS e';
        if (Databases::name($dsn) === 'sqlite') {
            $sql = 'SELECT 1.5 AS d, -0.5 AS e';
            self::assertSame($db->json($sql), $db->decimals('number')->json($sql));
            return;
        }
        self::assertSame(['d' => '12345678901234567890.10', 'e' => '-0.5'], $db->row($sql));
        $numbers = $db->decimals('number');
        self::assertSame('[{"d":12345678901234567890.10,"e":-0.5}]', $numbers->json($sql));
        self::assertSame(['d' => 12345678901234567890.10, 'e' => -0.5], $numbers->row($sql));
        self::assertSame([['d' => 12345678901234567890.10, 'e' => -0.5]], iterator_to_array($numbers->stream($sql)));
        self::assertSame('[{"d":"12345678901234567890.10","e":"-0.5"}]', $numbers->decimals('string')->json($sql));
        $this->expectException(InvalidArgument::class);
        $db->decimals('float');
    }

    public function test_each_copy_keeps_what_the_one_before_it_had(): void
    {
        $db = Db::connect('sqlite::memory:');
        $options = $db->timeout(1.5)->retry(2)->decimals('number')->options();
        self::assertSame([1_500, 2, true], [$options->timeoutMs, $options->retries, $options->decimalsAsNumbers]);
        self::assertNull($db->options()->timeoutMs);
        $this->expectException(InvalidArgument::class);
        $db->timeout(0);
    }

    /** @dataProvider databases */
    public function test_a_db_says_which_database_it_is(string $dsn): void
    {
        $dialects = ['sqlite' => 'sqlite', 'postgres' => 'pgsql', 'mysql' => 'mysql'];
        self::assertSame($dialects[Databases::name($dsn)], Db::connect($dsn)->dialect());
    }
}
