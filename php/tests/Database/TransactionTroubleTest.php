<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Database\Isolation;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\TransactionConflict;
use Lyger\Exception\TransactionFailed;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\Observer;
use Lyger\Tests\Support\SqlTestCase;

/** What ends a transaction against its will: conflicts, deadlocks, failed statements, DDL, a broken connection. */
final class TransactionTroubleTest extends SqlTestCase
{
    public function test_a_conflict_runs_the_whole_function_again_for_as_many_attempts_as_there_are(): void
    {
        $dsn = Databases::server('postgres');
        $db = Db::connect($dsn);
        $other = new Observer($dsn);
        foreach ([[3, 2, null], [2, 2, TransactionConflict::class]] as [$attempts, $conflicts, $class]) {
            $table = $this->numbers($db, 1);
            $runs = 0;
            $work = static function (Db $db) use ($table, $other, $conflicts, &$runs): void {
                $runs++;
                $n = $db->value("SELECT n FROM $table");
                if ($runs <= $conflicts) {
                    $other->run("UPDATE $table SET n = n + 10");
                }
                $db->execute("UPDATE $table SET n = ?", [$n + 1]);
            };
            $thrown = null;
            try {
                $db->transaction($work, Isolation::RepeatableRead, attempts: $attempts);
            } catch (LygerException $exception) {
                $thrown = $exception::class;
            }
            self::assertSame([$class, min($attempts, $conflicts + 1)], [$thrown, $runs]);
            self::assertSame($class === null ? 22 : 21, $db->value("SELECT n FROM $table"));
        }
        self::assertFalse($db->inTransaction());
        $this->expectException(InvalidArgument::class);
        $db->transaction(static fn () => null, attempts: 0);
    }

    public function test_nothing_runs_outside_after_mysql_has_rolled_a_transaction_back_for_a_deadlock(): void
    {
        $dsn = Databases::server('mysql');
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1, 1, 1);
        [$rival, $other] = [new Observer($dsn), new Observer($dsn)];
        $rival->run('START TRANSACTION');
        // Its larger change makes the other one the victim.
        $rival->run("UPDATE $table SET n = 5 WHERE id > 1");
        $db->begin();
        $db->begin();
        $db->execute("UPDATE $table SET n = 2 WHERE id = 1");
        $rival->send("UPDATE $table SET n = 5 WHERE id = 1");
        $waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' "
            . "AND trx_query LIKE '%$table%'";
        for ($until = microtime(true) + 20; (int) $other->value($waiting) === 0;) {
            self::assertLessThan($until, microtime(true), 'nobody waits');
            usleep(150_000); // MySQL shows what it read in the last 100 ms once more
        }
        try {
            $db->execute("UPDATE $table SET n = 2 WHERE id = 2");
            self::fail('no deadlock');
        } catch (TransactionConflict $conflict) {
            self::assertSame('40001', $conflict->sqlstate());
        }
        $rival->receive();
        $rival->run('COMMIT');
        self::assertFalse($db->inTransaction());
        foreach ([fn () => $db->execute("UPDATE $table SET n = 3"), $db->begin(...), $db->commit(...)] as $further) {
            try {
                $further();
                self::fail('it ran');
            } catch (TransactionFailed $exception) {
                self::assertSame([$conflict, '40001'], [$exception->getPrevious(), $exception->sqlstate()]);
            }
        }
        $db->rollback(); // as it was meant: no exception hides the conflict
        self::assertSame([5, 5, 5], $db->column("SELECT n FROM $table ORDER BY id"));
    }

    public function test_a_failed_statement_makes_postgres_refuse_the_commit_aloud(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        $table = $this->numbers($db, 1);
        $db->begin();
        $db->execute("UPDATE $table SET n = 2");
        try {
            $db->query('SELECT 1/0');
            self::fail('no exception');
        } catch (QueryFailed) {
        }
        try {
            $db->commit();
            self::fail('no exception');
        } catch (TransactionFailed $exception) {
            self::assertSame('25P02', $exception->sqlstate());
        }
        self::assertSame([false, 1], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
    }

    public function test_a_failed_transaction_that_sql_has_begun_is_refused_its_commit_and_rolled_back(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        $table = $this->numbers($db, 1);
        foreach (['commit' => '25P02', 'rollback' => null] as $end => $expected) {
            $db->execute('BEGIN');
            $db->execute("UPDATE $table SET n = 2");
            try {
                $db->query('SELECT 1/0');
                self::fail('no exception');
            } catch (QueryFailed) {
            }
            $sqlstate = null;
            try {
                $db->$end();
            } catch (TransactionFailed $exception) {
                $sqlstate = $exception->sqlstate();
            }
            self::assertSame(
                [$expected, false, 1],
                [$sqlstate, $db->inTransaction(), $db->value("SELECT n FROM $table")],
                $end,
            );
        }
    }

    public function test_booleans_and_floats_for_integers_are_bound_within_a_transaction_too(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        $row = ['a' => 1, 'b' => 5, 'c' => true];
        self::assertSame($row, $db->transaction(static function (Db $db): ?array {
            return $db->row('SELECT ?::int a, ?::int b, ?::bool c', [true, 5.0, true]);
        }));
    }

    public function test_mysqls_ddl_commits_and_the_transaction_does_not_claim_otherwise(): void
    {
        $db = Db::connect(Databases::server('mysql'));
        $table = $this->numbers($db, 1);
        foreach (['commit', 'rollback'] as $end) {
            $db->begin();
            $db->execute("UPDATE $table SET n = n + 1");
            $db->execute("ALTER TABLE $table ADD $end INT");
            self::assertFalse($db->inTransaction());
            try {
                $db->$end();
                self::fail('no exception');
            } catch (TransactionFailed $exception) {
                self::assertStringContainsString('CREATE, ALTER, DROP', $exception->getMessage());
            }
        }
        self::assertSame(3, $db->value("SELECT n FROM $table"));
    }

    public function test_pure_php_runs_what_mysql_cannot_prepare_as_plain_text(): void
    {
        if (Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half without the library: the engine gives such statements no rows');
        }
        // MySQL's own START TRANSACTION and SAVEPOINT are such statements too.
        $db = Db::connect(Databases::server('mysql'));
        $db->execute("PREPARE p FROM 'SELECT 7 AS a'");
        self::assertSame([['a' => 7]], $db->query('EXECUTE p'));
    }

    public function test_no_statement_runs_outside_after_the_connection_of_a_transaction_broke(): void
    {
        foreach (['postgres' => 'pg_terminate_backend', 'mysql' => 'KILL'] as $name => $kill) {
            $db = Db::connect(Databases::server($name));
            $table = $this->numbers($db, 1);
            $other = new Observer(Databases::server($name));
            $id = $name === 'postgres' ? 'SELECT pg_backend_pid()' : 'SELECT CONNECTION_ID()';
            $db->begin();
            $db->execute("UPDATE $table SET n = 2");
            $pid = $db->value($id);
            $other->run($name === 'postgres' ? "SELECT $kill($pid)" : "$kill $pid");
            $failures = [];
            foreach ([1, 2] as $_) {
                try {
                    $db->retry(3)->execute("UPDATE $table SET n = 3");
                    self::fail('it ran');
                } catch (LygerException $exception) {
                    $failures[] = $exception::class;
                }
            }
            self::assertSame([ConnectionFailed::class, TransactionFailed::class], $failures);
            $db->rollback();
            self::assertSame([false, 1], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);

            // The same for a transaction that was begun in SQL.
            $db->execute('BEGIN');
            $pid = $db->value($id);
            $other->run($name === 'postgres' ? "SELECT $kill($pid)" : "$kill $pid");
            foreach ([1, 2] as $_) {
                try {
                    $db->execute("UPDATE $table SET n = 3");
                    self::fail('it ran');
                } catch (ConnectionFailed) {
                }
            }
            $db->execute('ROLLBACK');
            self::assertSame(1, $db->value("SELECT n FROM $table"));
        }
    }

    public function test_a_rollback_of_what_sql_has_begun_heals_a_client_whose_connection_broke_meanwhile(): void
    {
        foreach (['postgres' => 'pg_terminate_backend', 'mysql' => 'KILL'] as $name => $kill) {
            $db = Db::connect(Databases::server($name));
            $table = $this->numbers($db, 1);
            $other = new Observer(Databases::server($name));
            foreach (['commit', 'rollback'] as $end) {
                $db->execute('BEGIN');
                $db->execute("UPDATE $table SET n = 2");
                $pid = $db->value($name === 'postgres' ? 'SELECT pg_backend_pid()' : 'SELECT CONNECTION_ID()');
                $other->run($name === 'postgres' ? "SELECT $kill($pid)" : "$kill $pid");
                $alive = $name === 'postgres'
                    ? "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = $pid"
                    : "SELECT COUNT(*) FROM information_schema.processlist WHERE id = $pid";
                for ($until = microtime(true) + 20; (int) $other->value($alive) !== 0;) {
                    self::assertLessThan($until, microtime(true), 'it lives on');
                    usleep(10_000);
                }
                if ($end === 'commit') {
                    try {
                        $db->commit();
                        self::fail('it is committed');
                    } catch (ConnectionFailed | TransactionFailed) {
                    }
                }
                try {
                    $db->rollback();
                } catch (TransactionFailed $exception) {
                    self::assertSame('commit', $end, $exception->getMessage()); // which has ended it
                }
                self::assertSame([false, 1], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
            }
        }
    }

    public function test_who_is_told_that_no_transaction_is_open_may_begin_another(): void
    {
        $db = Db::connect(Databases::server('mysql'));
        $table = $this->numbers($db, 1);
        $db->begin();
        $db->execute("ALTER TABLE $table ADD told INT");
        try {
            $db->begin();
            self::fail('it nests in what has ended');
        } catch (TransactionFailed) {
        }
        // As code for PDO has it.
        if ($db->inTransaction()) {
            $db->commit();
        }
        $db->transaction(static fn (Db $db) => $db->execute("UPDATE $table SET n = 2"));
        self::assertSame([false, 2], [$db->inTransaction(), $db->value("SELECT n FROM $table")]);
    }

    public function test_a_rollback_heals_a_client_whose_connection_broke_with_settings_on_it(): void
    {
        foreach (['postgres' => 'pg_terminate_backend', 'mysql' => 'KILL'] as $name => $kill) {
            $db = Db::connect(Databases::server($name));
            $db->lockTimeout(2);
            $pid = $db->value($name === 'postgres' ? 'SELECT pg_backend_pid()' : 'SELECT CONNECTION_ID()');
            (new Observer(Databases::server($name)))->run($name === 'postgres' ? "SELECT $kill($pid)" : "$kill $pid");
            foreach ([1, 2] as $_) {
                try {
                    $db->query('SELECT 1');
                    self::fail('it ran without the settings');
                } catch (ConnectionFailed $exception) {
                    self::assertMatchesRegularExpression('/^(?:08|57)/', (string) $exception->sqlstate());
                }
            }
            $db->rollback();
            self::assertSame(1, $db->value('SELECT 1'));
            try {
                $db->rollback();
                self::fail('there is nothing to roll back');
            } catch (TransactionFailed) {
            }
        }
    }
}
