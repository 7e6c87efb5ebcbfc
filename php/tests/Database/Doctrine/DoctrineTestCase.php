<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Doctrine;

use Doctrine\DBAL\Connection;
use Doctrine\DBAL\Schema\Table;
use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Database\Doctrine\Driver;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;

/** Doctrine on each database, on a table that no other test has. */
abstract class DoctrineTestCase extends SqlTestCase
{
    /** @var list<array{Connection, string}> */
    private array $tables = [];

    protected function tearDown(): void
    {
        foreach (array_reverse($this->tables) as [$connection, $table]) {
            Db::connect($connection->getNativeConnection()->dsn())->execute("DROP TABLE IF EXISTS $table");
        }
        parent::tearDown();
    }

    protected function connect(string $dsn): Connection
    {
        if (getenv('LYGER_TEST_BARE') !== false) {
            self::assertFalse(extension_loaded('pdo') || extension_loaded('mysqli') || extension_loaded('pgsql'));
            self::assertTrue(Engine::getInstance()->isNative());
        }
        return Driver::connection($dsn);
    }

    /** (id, name unique not null, n) */
    protected function table(Connection $connection): string
    {
        $table = new Table(Databases::table());
        $table->addColumn('id', 'integer', ['autoincrement' => true]);
        $table->addColumn('name', 'string', ['length' => 50]);
        $table->addColumn('n', 'integer', ['notnull' => false]);
        $table->setPrimaryKey(['id']);
        $table->addUniqueIndex(['name']);
        return $this->make($connection, $table);
    }

    protected function make(Connection $connection, Table $table): string
    {
        $connection->createSchemaManager()->createTable($table);
        $this->tables[] = [$connection, $table->getName()];
        return $table->getName();
    }
}
