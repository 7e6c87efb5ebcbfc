<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Client;
use Lyger\Database\Db;
use Lyger\Database\Isolation;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LockTimeout;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\TransactionFailed;
use Lyger\Exception\UniqueViolation;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\Observer;
use Lyger\Tests\Support\SqlTestCase;
use RuntimeException;

/** Transactions, as somebody else at the same database sees them. */
final class TransactionTest extends SqlTestCase
{
    /** @dataProvider databases */
    public function test_others_see_nothing_before_the_commit_and_all_of_it_after(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $other = new Observer($dsn);
        self::assertFalse($db->inTransaction());
        $db->begin();
        $db->execute("UPDATE $table SET n = 2");
        self::assertSame([true, 2], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
        self::assertEquals(1, $other->value("SELECT n FROM $table"));
        $db->commit();
        self::assertFalse($db->inTransaction());
        self::assertEquals(2, $other->value("SELECT n FROM $table"));
    }

    /** @dataProvider databases */
    public function test_a_rollback_leaves_nothing(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $db->begin();
        $db->execute("UPDATE $table SET n = 2");
        $db->rollback();
        self::assertSame([false, 1], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
    }

    /** @dataProvider databases */
    public function test_a_transaction_is_the_clients_and_not_the_objects(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $db->begin();
        Db::connect($dsn)->timeout(5)->execute("UPDATE $table SET n = 2");
        Db::connect($dsn)->rollback();
        self::assertSame(1, $db->value("SELECT n FROM $table"));
    }

    /** @dataProvider databases */
    public function test_a_function_is_committed_when_it_returns_and_rolled_back_when_it_throws(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $other = new Observer($dsn);
        $returned = $db->transaction(static function (Db $db) use ($table): string {
            $db->execute("UPDATE $table SET n = 2");
            return 'done';
        });
        self::assertSame('done', $returned);
        self::assertEquals(2, $other->value("SELECT n FROM $table"));
        $thrown = new RuntimeException('no');
        try {
            $db->transaction(static function (Db $db) use ($table, $thrown): void {
                $db->execute("UPDATE $table SET n = 3");
                throw $thrown;
            });
            self::fail('no exception');
        } catch (RuntimeException $caught) {
            self::assertSame($thrown, $caught);
        }
        self::assertSame([false, 2], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
    }

    /** @dataProvider databases */
    public function test_a_transaction_within_another_is_a_savepoint(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1, 1, 1);
        $db->transaction(static function (Db $db) use ($table): void {
            $db->execute("UPDATE $table SET n = 2 WHERE id = 1");
            try {
                $db->transaction(static function (Db $db) use ($table): void {
                    $db->execute("UPDATE $table SET n = 2 WHERE id = 2");
                    $db->execute("INSERT INTO $table VALUES (1, 1)");
                });
                self::fail('no exception');
            } catch (UniqueViolation) {
            }
            $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = 2 WHERE id = 3"));
        });
        self::assertSame([2, 1, 2], $db->column("SELECT n FROM $table ORDER BY id"));
    }

    /** @dataProvider databases */
    public function test_savepoints_by_name_undo_what_came_after_them(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $db->begin();
        $db->savepoint('first');
        $db->execute("UPDATE $table SET n = 2");
        $db->savepoint('second');
        $db->execute("UPDATE $table SET n = 3");
        $db->rollbackTo('second');
        self::assertSame(2, $db->value("SELECT n FROM $table"));
        $db->release('second');
        $db->rollbackTo('first');
        $db->commit();
        self::assertSame(1, $db->value("SELECT n FROM $table"));
    }

    /** @dataProvider databases */
    public function test_a_savepoints_name_is_never_sql(string $dsn): void
    {
        $db = Db::connect($dsn);
        $db->begin();
        foreach (['', 'a b', 'a; DROP TABLE t', "a'", '"a"', '1a', str_repeat('a', 64), "a\n"] as $name) {
            try {
                $db->savepoint($name);
                self::fail($name);
            } catch (InvalidArgument) {
            }
        }
        $db->rollback();
        $this->expectException(TransactionFailed::class);
        $db->savepoint('outside');
    }

    /** @dataProvider databases */
    public function test_an_end_without_a_beginning_is_an_exception(string $dsn): void
    {
        $db = Db::connect($dsn);
        foreach (['commit', 'rollback'] as $method) {
            try {
                $db->$method();
                self::fail($method);
            } catch (TransactionFailed $exception) {
                self::assertSame("$method: no transaction is open", $exception->getMessage());
                self::assertSame('25P01', $exception->sqlstate());
            }
        }
    }

    /** @dataProvider databases */
    public function test_beginnings_and_ends_must_fit_within_a_function(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        foreach (['begin', 'commit', 'rollback'] as $method) {
            try {
                $db->transaction(static function (Db $db) use ($table, $method): void {
                    $db->execute("UPDATE $table SET n = 2 WHERE n = 2");
                    $db->$method();
                });
                self::fail($method);
            } catch (TransactionFailed) {
            }
            self::assertFalse($db->inTransaction(), $method);
        }
    }

    /** @dataProvider databases */
    public function test_a_transaction_in_sql_counts_as_well(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $db->execute('BEGIN');
        self::assertTrue($db->inTransaction());
        $db->execute("UPDATE $table SET n = 2");
        $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = 3"));
        self::assertTrue($db->inTransaction(), 'that was a savepoint');
        $db->execute('ROLLBACK');
        self::assertSame([false, 1], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
        $db->begin();
        $db->execute('COMMIT');
        self::assertFalse($db->inTransaction());
        $this->expectExceptionMessage('the transaction has ended before');
        $db->commit();
    }

    /** @dataProvider databases */
    public function test_what_sql_has_begun_is_ended_by_commit_and_rollback_as_well(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $other = new Observer($dsn);
        foreach (['commit' => 2, 'rollback' => 2] as $end => $expected) {
            $db->execute(Databases::name($dsn) === 'mysql' ? 'START TRANSACTION' : 'BEGIN');
            $db->execute("UPDATE $table SET n = n + 1");
            $db->$end();
            self::assertSame([false, $expected], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
            self::assertEquals($expected, $other->value("SELECT n FROM $table"), $end);
            try {
                $db->$end();
                self::fail($end);
            } catch (TransactionFailed $exception) {
                self::assertSame("$end: no transaction is open", $exception->getMessage());
            }
        }
        $db->execute('BEGIN');
        $db->begin();
        $db->execute("UPDATE $table SET n = 3");
        $db->rollback(); // of a savepoint
        $db->execute("UPDATE $table SET n = n + 2");
        self::assertTrue($db->inTransaction());
        $db->commit();
        self::assertEquals([4, false], [$other->value("SELECT n FROM $table"), $db->inTransaction()]);
    }

    public function test_a_chained_transaction_is_ended_by_commit_and_rollback(): void
    {
        foreach (['postgres', 'mysql'] as $name) {
            $db = Db::connect(Databases::server($name));
            $table = $this->numbers($db, 1);
            foreach (['rollback', 'commit'] as $end) {
                $db->execute('BEGIN');
                $db->execute("UPDATE $table SET n = 2");
                $db->execute('COMMIT AND CHAIN');
                $db->execute("UPDATE $table SET n = 3");
                $db->$end();
                self::assertSame(
                    [false, $end === 'commit' ? 3 : 2],
                    [$db->inTransaction(), (new Observer(Databases::server($name)))->value("SELECT n FROM $table") + 0],
                );
            }
        }
    }

    public function test_without_mysqls_autocommit_each_statement_begins_what_commit_and_rollback_end(): void
    {
        $dsn = Databases::server('mysql');
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $other = new Observer($dsn);
        $committed = static fn (): int => (int) $other->value("SELECT n FROM $table");
        $db->execute('SET autocommit = 0');
        foreach (['commit' => 2, 'rollback' => 2] as $end => $expected) {
            self::assertFalse($db->inTransaction());
            $db->execute("UPDATE $table SET n = n + 1");
            self::assertTrue($db->inTransaction());
            $db->$end();
            self::assertSame([false, $expected], [$db->inTransaction(), $committed()], $end);
        }
        $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = 3"));
        self::assertSame([false, 3], [$db->inTransaction(), $committed()]);
        $db->execute("UPDATE $table SET n = 4");
        $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = n + 1"));
        self::assertSame([true, 3], [$db->inTransaction(), $committed()], 'that was a savepoint');
        $db->commit();
        self::assertSame([false, 5], [$db->inTransaction(), $committed()]);
        $db->execute('SET autocommit = 1');
        $db->execute("UPDATE $table SET n = 6");
        self::assertSame([false, 6], [$db->inTransaction(), $committed()]);
        $db->execute('SET autocommit = 0');
        Client::end();
        $db->execute("UPDATE $table SET n = 7");
        self::assertSame([false, 7], [$db->inTransaction(), $committed()], 'another client has it on');
    }

    /** @dataProvider databases */
    public function test_what_a_client_leaves_open_is_rolled_back_at_its_end(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $db->begin();
        $db->execute("UPDATE $table SET n = 2");
        Client::end();
        self::assertFalse($db->inTransaction());
        $other = new Observer($dsn);
        $other->run("UPDATE $table SET n = n + 10"); // no lock is left either
        self::assertSame(11, $db->value("SELECT n FROM $table"));
        $this->expectException(TransactionFailed::class);
        $db->commit();
    }

    /** @dataProvider databases */
    public function test_settings_and_temporary_tables_stay_for_a_client_and_end_with_it(string $dsn): void
    {
        $db = Db::connect($dsn);
        [$set, $get, $value] = [
            'sqlite' => ['PRAGMA recursive_triggers = 1', 'PRAGMA recursive_triggers', 1],
            'postgres' => ["SET application_name = 'own'", 'SHOW application_name', 'own'],
            'mysql' => ['SET SESSION sort_buffer_size = 65536', 'SELECT @@sort_buffer_size', 65536],
        ][Databases::name($dsn)];
        $before = $db->value($get);
        $table = Databases::table();
        $db->execute($set);
        $db->execute("CREATE TEMPORARY TABLE $table (a INT)");
        $db->execute("INSERT INTO $table VALUES (7)");
        self::assertSame([$value, 7], [$db->value($get), $db->value("SELECT a FROM $table")]);
        Client::end();
        self::assertSame($before, $db->value($get));
        $this->expectException(QueryFailed::class);
        $db->value("SELECT a FROM $table");
    }

    public function test_a_database_in_memory_outlives_its_clients(): void
    {
        $db = Db::connect('sqlite::memory:');
        $table = $this->numbers($db, 1);
        $db->begin(readOnly: true);
        Client::end();
        $db->execute("UPDATE $table SET n = 2");
        self::assertSame(2, $db->value("SELECT n FROM $table"));
    }

    /** @dataProvider databases */
    public function test_a_read_only_transaction_writes_nothing_and_the_next_one_does(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        try {
            $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = 2"), readOnly: true);
            self::fail('no exception');
        } catch (QueryFailed $exception) {
            self::assertMatchesRegularExpression('/read.?only/i', $exception->getMessage());
        }
        self::assertFalse($db->inTransaction());
        self::assertSame(1, $db->transaction(static fn (Db $db) => $db->value("SELECT n FROM $table"), readOnly: true));
        self::assertSame(1, $db->execute("UPDATE $table SET n = 3")->affected);
    }

    public function test_isolation_is_the_transactions_alone(): void
    {
        $shown = [
            'postgres' => 'SHOW transaction_isolation',
            'mysql' => 'SELECT LOWER(REPLACE(trx_isolation_level, "-", " ")) FROM information_schema.innodb_trx '
                . 'WHERE trx_mysql_thread_id = CONNECTION_ID()',
        ];
        foreach ($shown as $name => $sql) {
            $db = Db::connect(Databases::server($name));
            $table = $this->numbers($db, 1);
            $work = static function (Db $db) use ($sql, $table): string {
                $db->value("SELECT n FROM $table FOR UPDATE");
                usleep(150_000); // MySQL shows what it read in the last 100 ms once more
                return $db->value($sql);
            };
            foreach (Isolation::cases() as $isolation) {
                self::assertSame(strtolower($isolation->value), $db->transaction($work, $isolation), $name);
            }
            self::assertSame($name === 'postgres' ? 'read committed' : 'repeatable read', $db->transaction($work));
        }
    }

    public function test_what_is_said_of_mysqls_next_transaction_opens_none(): void
    {
        $db = Db::connect(Databases::server('mysql'));
        $db->execute('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
        self::assertFalse($db->inTransaction());
        $db->begin();
        self::assertTrue($db->inTransaction());
        $db->commit(); // of a transaction, and not of a savepoint in none
        self::assertFalse($db->inTransaction());
    }

    public function test_repeatable_read_sees_one_state_and_read_committed_each_new_one(): void
    {
        foreach (['postgres', 'mysql'] as $name) {
            $db = Db::connect(Databases::server($name));
            $table = $this->numbers($db, 1);
            $other = new Observer(Databases::server($name));
            foreach ([[Isolation::RepeatableRead, 1], [Isolation::ReadCommitted, 2]] as [$isolation, $expected]) {
                $db->execute("UPDATE $table SET n = 1");
                $seen = $db->transaction(static function (Db $db) use ($table, $other): array {
                    $before = $db->value("SELECT n FROM $table");
                    $other->run("UPDATE $table SET n = 2");
                    return [$before, $db->value("SELECT n FROM $table")];
                }, $isolation);
                self::assertSame([1, $expected], $seen, $name);
            }
        }
    }

    /** @dataProvider databases */
    public function test_isolation_is_the_outermost_transactions_to_choose(string $dsn): void
    {
        $db = Db::connect($dsn);
        self::assertSame([['a' => 1]], $db->transaction(
            static fn (Db $db) => $db->query('SELECT 1 AS a'),
            Isolation::Serializable,
        ));
        $this->expectException(InvalidArgument::class);
        $db->transaction(static fn (Db $db) => $db->begin(Isolation::Serializable));
    }

    /** @dataProvider databases */
    public function test_a_lock_is_waited_for_as_long_as_the_client_wants(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1);
        $other = new Observer($dsn);
        $other->run(Databases::name($dsn) === 'sqlite' ? 'BEGIN IMMEDIATE' : 'BEGIN');
        $other->run("UPDATE $table SET n = 2");
        $db->lockTimeout(0.3); // a second in MySQL
        $began = microtime(true);
        try {
            $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = 3"), attempts: 3);
            self::fail('no exception');
        } catch (LockTimeout) {
        }
        $seconds = microtime(true) - $began;
        self::assertGreaterThan(0.2, $seconds);
        self::assertLessThan(4.5, $seconds);
        $other->run('ROLLBACK');
        self::assertSame(1, $db->execute("UPDATE $table SET n = 3")->affected);
        foreach ([0.0, -1.0, INF, NAN] as $wrong) {
            try {
                $db->lockTimeout($wrong);
                self::fail((string) $wrong);
            } catch (InvalidArgument) {
            }
        }
    }

    public function test_the_engines_low_level_calls_share_the_transaction(): void
    {
        $engine = Engine::getInstance();
        foreach ($this->databases() as [$dsn]) {
            $db = Db::connect($dsn);
            $table = $this->numbers($db, 1);
            $db->begin();
            $engine->freeResult($engine->dbQuery($dsn, "UPDATE $table SET n = ? WHERE id = ?", [2, 1]));
            self::assertSame('[{"n":2}]', $engine->dbQueryJson($dsn, "SELECT n FROM $table WHERE id = ?", [1]));
            $db->rollback();
            self::assertSame('[{"n":1}]', $engine->dbQueryJson($dsn, "SELECT n FROM $table"));
        }
    }
}
