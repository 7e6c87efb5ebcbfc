<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Doctrine;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\Driver\Exception as DriverFailure;
use Doctrine\DBAL\DriverManager;
use Doctrine\DBAL\Exception;
use Doctrine\DBAL\Exception\ConnectionException;
use Doctrine\DBAL\Exception\DriverException;
use Doctrine\DBAL\Exception\InvalidFieldNameException;
use Doctrine\DBAL\Exception\NotNullConstraintViolationException;
use Doctrine\DBAL\Exception\SyntaxErrorException;
use Doctrine\DBAL\Exception\TableExistsException;
use Doctrine\DBAL\Exception\TableNotFoundException;
use Doctrine\DBAL\Exception\UniqueConstraintViolationException;
use Lyger\Database\Db;
use Lyger\Database\Doctrine\Driver;
use Lyger\Database\Doctrine\SqliteDriver;
use Lyger\Exception\QueryFailed;
use Lyger\Tests\Support\Databases;
use RuntimeException;

/** Transactions, generated ids and failures through DBAL. */
final class TransactionTest extends DoctrineTestCase
{
    /** @dataProvider databases */
    public function test_a_transaction_is_committed_or_leaves_nothing(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $table = $this->table($connection);
        $connection->transactional(static function (Connection $connection) use ($table): void {
            $connection->insert($table, ['name' => 'kept']);
        });
        try {
            $connection->transactional(static function (Connection $connection) use ($table): void {
                $connection->insert($table, ['name' => 'lost']);
                throw new RuntimeException('no');
            });
            self::fail('thrown in it');
        } catch (RuntimeException $exception) {
            self::assertSame('no', $exception->getMessage());
        }
        self::assertFalse(Db::connect($dsn)->inTransaction());
        self::assertSame(['kept'], $connection->fetchFirstColumn("SELECT name FROM $table"));
    }

    /** @dataProvider databases */
    public function test_a_transaction_within_another_is_undone_alone(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $connection->setNestTransactionsWithSavepoints(true);
        $table = $this->table($connection);
        $connection->beginTransaction();
        $connection->insert($table, ['name' => 'outer']);
        $connection->beginTransaction();
        $connection->insert($table, ['name' => 'inner']);
        $connection->rollBack();
        $connection->beginTransaction();
        $connection->insert($table, ['name' => 'second']);
        $connection->commit();
        $connection->commit();
        $names = $connection->fetchFirstColumn("SELECT name FROM $table ORDER BY id");
        self::assertSame(['outer', 'second'], $names);
    }

    /** @dataProvider databases */
    public function test_the_generated_id_is_told(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $table = $this->table($connection);
        $insert = static function (string $name) use ($connection, $table): int {
            $connection->insert($table, ['name' => $name]);
            return (int) $connection->lastInsertId();
        };
        self::assertSame([1, 2], $connection->transactional(static fn () => [$insert('a'), $insert('b')]));
        if (Databases::name($dsn) !== 'postgres') {
            self::assertSame(3, $insert('c'));
            self::assertSame(1, $connection->update($table, ['n' => 1], ['name' => 'c']));
            self::assertSame(3, (int) $connection->lastInsertId());
            return;
        }
        $sequence = "{$table}_id_seq";
        $current = static fn (): array => [$insert('c'), (int) $connection->lastInsertId($sequence)];
        self::assertSame([3, 3], $connection->transactional($current));
        self::assertSame(4, $connection->fetchOne("INSERT INTO $table (name) VALUES ('d') RETURNING id"));
        $this->expectException(Exception::class);
        $this->expectExceptionMessage('RETURNING');
        $insert('e');
    }

    /** @dataProvider databases */
    public function test_failures_have_doctrines_classes(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $table = $this->table($connection);
        $connection->insert($table, ['name' => 'there']);
        $insert = static fn (array $row): int|string => $connection->insert($table, $row);
        $run = static fn (string $sql): int|string => $connection->executeStatement($sql);
        $failures = [
            UniqueConstraintViolationException::class => static fn () => $insert(['name' => 'there']),
            NotNullConstraintViolationException::class => static fn () => $insert(['name' => null]),
            TableNotFoundException::class => static fn () => $connection->fetchOne('SELECT 1 FROM no_such_table'),
            TableExistsException::class => static fn () => $run("CREATE TABLE $table (id INT)"),
            SyntaxErrorException::class => static fn () => $run('SELEC 1'),
            InvalidFieldNameException::class => static fn () => $insert(['no_such_column' => 1]),
        ];
        foreach ($failures as $class => $statement) {
            try {
                $statement();
                self::fail("no $class");
            } catch (DriverException $exception) {
                self::assertInstanceOf($class, $exception);
                self::assertInstanceOf(QueryFailed::class, $exception->getPrevious()->getPrevious());
                self::assertSame($exception->getPrevious()->getPrevious()->sqlstate(), $exception->getSQLState());
            }
        }
    }

    /** @dataProvider databases */
    public function test_a_foreign_key_has_its_class(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $parent = $this->table($connection);
        $child = new \Doctrine\DBAL\Schema\Table(Databases::table());
        $child->addColumn('parent', 'integer');
        $child->addForeignKeyConstraint($parent, ['parent'], ['id']);
        $name = $this->make($connection, $child);
        $this->expectException(Exception\ForeignKeyConstraintViolationException::class);
        $connection->insert($name, ['parent' => 7]);
    }

    public function test_a_server_that_is_not_there_is_a_connection_exception(): void
    {
        foreach (['postgres://u:secret@127.0.0.1:1/x', 'mysql://u:secret@127.0.0.1:1/x'] as $dsn) {
            try {
                Driver::connection($dsn)->fetchOne('SELECT 1');
                self::fail('connected');
            } catch (ConnectionException $exception) {
                self::assertStringNotContainsString('secret', (string) $exception);
            }
        }
    }

    public function test_a_driver_class_takes_a_dsn_of_its_kind_and_no_other(): void
    {
        $params = ['driverClass' => SqliteDriver::class, 'dsn' => Databases::sqlite()];
        self::assertEquals(1, DriverManager::getConnection($params)->fetchOne('SELECT 1'));
        foreach ([['dsn' => 'mysql://u@127.0.0.1/x'], [], ['db' => 'sqlite::memory:']] as $wrong) {
            try {
                DriverManager::getConnection(['driverClass' => SqliteDriver::class, ...$wrong])->fetchOne('SELECT 1');
                self::fail('connected');
            } catch (Exception $exception) {
                self::assertInstanceOf(DriverFailure::class, $exception->getPrevious());
            }
        }
    }
}
