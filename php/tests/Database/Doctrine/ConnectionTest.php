<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Doctrine;

use DateTimeImmutable;
use Doctrine\DBAL\Connection;
use Doctrine\DBAL\Exception;
use Doctrine\DBAL\ParameterType;
use Doctrine\DBAL\Platforms\AbstractMySQLPlatform;
use Doctrine\DBAL\Platforms\PostgreSQLPlatform;
use Doctrine\DBAL\Platforms\SqlitePlatform;
use Doctrine\DBAL\Schema\Table;
use Lyger\Database\Db;
use Lyger\Database\Doctrine\Failure;
use Lyger\Tests\Support\Databases;

/** Statements and their values through DBAL. */
final class ConnectionTest extends DoctrineTestCase
{
    /** @dataProvider databases */
    public function test_the_platform_is_that_of_the_server(string $dsn): void
    {
        $connection = $this->connect($dsn);
        self::assertInstanceOf(match (Databases::name($dsn)) {
            'postgres' => PostgreSQLPlatform::class,
            'mysql' => AbstractMySQLPlatform::class,
            'sqlite' => SqlitePlatform::class,
        }, $connection->getDatabasePlatform());
        self::assertInstanceOf(Db::class, $connection->getNativeConnection());
        self::assertSame($dsn, $connection->getNativeConnection()->dsn());
    }

    /** @dataProvider databases */
    public function test_parameters_go_by_position_and_by_name_and_as_lists(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $table = $this->table($connection);
        foreach (['one' => 1, "t'wo ?" => 2, 'three' => null] as $name => $n) {
            self::assertSame(1, $connection->insert($table, ['name' => $name, 'n' => $n]));
        }
        self::assertSame(2, $connection->fetchOne("SELECT n FROM $table WHERE name = ?", ["t'wo ?"]));
        self::assertSame('one', $connection->fetchOne("SELECT name FROM $table WHERE n = :n", ['n' => 1]));
        $in = "SELECT name FROM $table WHERE n IN (:all) ORDER BY id";
        $lists = ['all' => Connection::PARAM_INT_ARRAY];
        self::assertSame(['one', "t'wo ?"], $connection->fetchFirstColumn($in, ['all' => [1, 2]], $lists));
        self::assertFalse($connection->fetchOne("SELECT n FROM $table WHERE n = 7"));
        self::assertNull($connection->fetchOne("SELECT n FROM $table WHERE name = 'three'"));
        $pairs = $connection->fetchAllKeyValue("SELECT n, name FROM $table WHERE n IS NOT NULL ORDER BY n DESC");
        self::assertSame([2 => "t'wo ?", 1 => 'one'], $pairs);
        self::assertSame(2, $connection->executeStatement("UPDATE $table SET n = 9 WHERE n IN (?, ?)", [1, 2]));
        self::assertSame(1, $connection->delete($table, ['name' => 'three']));

        $statement = $connection->prepare("SELECT name FROM $table WHERE id = :id");
        foreach ([1 => 'one', 2 => "t'wo ?"] as $id => $name) {
            $statement->bindValue('id', $id, ParameterType::INTEGER);
            self::assertSame($name, $statement->executeQuery()->fetchOne());
        }
        $query = $connection->createQueryBuilder()->select('name')->from($table)->where('id > :id')
            ->setParameter('id', 1)->orderBy('id')->setMaxResults(5);
        self::assertSame(["t'wo ?"], $query->executeQuery()->fetchFirstColumn());
    }

    /** @dataProvider databases */
    public function test_values_of_each_type_come_back_as_they_went(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $table = new Table(Databases::table());
        $stream = fopen('php://memory', 'r+b');
        fwrite($stream, "\x00\xff'\\");
        rewind($stream);
        $values = [
            'a' => ['boolean', true],
            'b' => ['bigint', '9223372036854775807'],
            'c' => ['float', 0.1],
            'd' => ['decimal', '12.50'],
            'e' => ['text', "it's ? :e \\ ü"],
            'f' => ['datetime_immutable', new DateTimeImmutable('2024-01-02 03:04:05')],
            'g' => ['date_immutable', new DateTimeImmutable('2024-01-02')],
            'h' => ['time_immutable', new DateTimeImmutable('1970-01-01 03:04:05')],
            'i' => ['json', ['a' => [1, 2.5, null]]],
            'j' => ['guid', '123e4567-e89b-12d3-a456-426614174000'],
            'k' => ['blob', $stream],
            'l' => ['binary', "\xff\x00\x01"],
            'm' => ['datetimetz_immutable', new DateTimeImmutable('2024-01-02 03:04:05+00:00')],
            'n' => ['boolean', false],
            'o' => ['integer', null],
        ];
        foreach ($values as $name => [$type]) {
            $table->addColumn($name, $type, ['notnull' => false, 'precision' => 8, 'scale' => 2, 'length' => 16]);
        }
        $this->make($connection, $table);
        $types = array_map(static fn (array $value): string => $value[0], $values);
        $given = array_map(static fn (array $value): mixed => $value[1], $values);
        $connection->insert($table->getName(), $given, $types);
        $row = $connection->fetchAssociative("SELECT * FROM {$table->getName()}");
        foreach ($values as $name => [$type, $value]) {
            $found = $connection->convertToPHPValue($row[$name], $type);
            if ($type === 'blob' || $type === 'binary') {
                $found = is_resource($found) ? stream_get_contents($found) : $found;
                $value = is_resource($value) ? "\x00\xff'\\" : $value;
            }
            if ($type === 'decimal') {
                [$found, $value] = [(float) $found, (float) $value]; // SQLite has no other
            }
            self::assertEquals($value, $found, "$name, $type");
        }
        $one = static fn (string $column, mixed $value, string $type): int => (int) $connection->fetchOne(
            "SELECT count(*) FROM {$table->getName()} WHERE $column = ?",
            [$value],
            [$type],
        );
        self::assertSame([1, 0], [$one('a', true, 'boolean'), $one('a', false, 'boolean')]);
        self::assertSame(1, $one('n', false, 'boolean'));
        self::assertSame(1, $one('f', new DateTimeImmutable('2024-01-02 03:04:05'), 'datetime_immutable'));
        self::assertSame(1, $one('l', "\xff\x00\x01", 'binary'));
    }

    /** @dataProvider databases */
    public function test_rows_become_values_while_they_are_iterated(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $sql = Databases::name($dsn) === 'mysql'
            ? 'SELECT seq AS n, seq * 2 AS twice FROM seq_1_to_50000'
            : 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 50000) '
                . 'SELECT n, n * 2 AS twice FROM s';
        [$sum, $most, $before] = [0, 0, memory_get_usage()];
        foreach ($connection->iterateAssociative($sql) as $row) {
            $sum += $row['n'];
            $most = max($most, memory_get_usage() - $before);
        }
        self::assertSame(50_000 * 50_001 / 2, $sum);
        if (getenv('LYGER_ENGINE') === 'required') {
            self::assertLessThan(2_000_000, $most);
        }
        $result = $connection->executeQuery($sql);
        self::assertSame([50_000, 2], [$result->rowCount(), $result->columnCount()]);
        self::assertEquals([[1, 2], ['n' => 2, 'twice' => 4]], [$result->fetchNumeric(), $result->fetchAssociative()]);
        self::assertCount(49_998, $result->fetchAllNumeric());
        $result->free();
        self::assertFalse($result->fetchAssociative());
    }

    /** @dataProvider databases */
    public function test_of_two_columns_with_one_name_none_is_lost_in_silence(string $dsn): void
    {
        $result = $this->connect($dsn)->executeQuery('SELECT 1 AS id, 2 AS id');
        $this->expectException(Exception::class);
        $this->expectExceptionMessage('AS');
        $result->fetchNumeric();
    }

    /** @dataProvider databases */
    public function test_a_quoted_text_is_that_text(string $dsn): void
    {
        $connection = $this->connect($dsn);
        foreach (["it's", "\\' OR 1=1 -- ", "a\nb\r\x1a\t\"`", 'ü😀', '', "'';\\"] as $text) {
            self::assertSame($text, $connection->fetchOne('SELECT ' . $connection->quote($text)));
        }
        $this->expectException(Failure::class);
        $connection->quote("\xff");
    }

    /** @dataProvider databases */
    public function test_the_schema_is_read_and_compared(string $dsn): void
    {
        $connection = $this->connect($dsn);
        $name = $this->table($connection);
        $manager = $connection->createSchemaManager();
        self::assertTrue($manager->tablesExist([$name]));
        $table = $manager->introspectTable($name);
        self::assertSame(['id', 'name', 'n'], array_keys($table->getColumns()));
        self::assertTrue($table->getColumn('id')->getAutoincrement());
        $changed = clone $table;
        $changed->addColumn('more', 'string', ['length' => 10, 'notnull' => false]);
        $changed->dropColumn('n');
        $manager->alterTable($manager->createComparator()->compareTables($table, $changed));
        self::assertSame(['id', 'name', 'more'], array_keys($manager->introspectTable($name)->getColumns()));
    }
}
