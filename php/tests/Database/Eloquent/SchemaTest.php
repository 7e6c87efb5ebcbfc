<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use Illuminate\Database\Migrations\DatabaseMigrationRepository;
use Illuminate\Database\QueryException;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;
use Lyger\Database\Db as Database;
use Lyger\Tests\Support\Databases;

/** Migrations by the schema builder. */
final class SchemaTest extends EloquentTestCase
{
    /** @dataProvider databases */
    public function test_tables_are_made_changed_and_dropped(string $dsn): void
    {
        $this->boot($dsn);
        self::assertFalse(Schema::hasTable('things'));
        Schema::create('things', static function (Blueprint $table): void {
            $table->increments('id');
            $table->string('name', 50)->default('?');
            $table->unsignedBigInteger('size')->nullable()->index();
            $table->uuid('key')->nullable();
            $table->date('day')->nullable();
            $table->time('hour')->nullable();
            $table->timestampTz('moment')->nullable();
            $table->float('ratio')->nullable();
            $table->char('code', 3)->nullable();
            $table->mediumText('note')->nullable();
            $table->ipAddress('ip')->nullable();
            $table->unique(['name', 'code']);
        });
        self::assertTrue(Schema::hasTable('things'));
        // What dropAllTables() goes by, up to Laravel 10.
        if (str_starts_with($dsn, 'postgres') && method_exists(Schema::getFacadeRoot(), 'getAllTables')) {
            self::assertNotEmpty(preg_grep('~things$~', array_column(Schema::getAllTables(), 'tablename')));
        }
        self::assertTrue(Schema::hasColumns('things', ['id', 'name', 'moment']));
        DB::table('things')->insert(['size' => 5, 'ip' => '192.0.2.1', 'moment' => '2024-01-02 03:04:05']);
        self::assertSame('?', DB::table('things')->value('name'));

        Schema::table('things', static function (Blueprint $table): void {
            $table->string('more')->nullable();
            $table->string('name', 80)->default('!')->change();
        });
        Schema::table('things', static fn (Blueprint $table) => $table->renameColumn('code', 'mark'));
        Schema::table('things', static function (Blueprint $table): void {
            $table->dropIndex(['size']);
            $table->dropColumn(['ratio', 'note']);
        });
        DB::table('things')->insert(['mark' => 'abc']);
        self::assertSame(['?', '!'], DB::table('things')->orderBy('id')->pluck('name')->all());
        $columns = Schema::getColumnListing('things');
        sort($columns);
        self::assertSame(['day', 'hour', 'id', 'ip', 'key', 'mark', 'moment', 'more', 'name', 'size'], $columns);
        // Doctrine's word, and since Laravel 11 the database's.
        self::assertContains(Schema::getColumnType('things', 'name'), ['string', 'varchar']);

        Schema::rename('things', 'tags');
        self::assertSame([false, true], [Schema::hasTable('things'), Schema::hasTable('tags')]);
        Schema::drop('tags');
        self::assertFalse(Schema::hasTable('tags'));
    }

    /** @dataProvider databases */
    public function test_foreign_keys_hold_and_can_be_set_aside(string $dsn): void
    {
        $connection = $this->library($dsn);
        $orphan = ['author_id' => 7, 'title' => 'x'];
        try {
            DB::table('books')->insert($orphan);
            self::fail('there is no such author');
        } catch (QueryException $exception) {
            self::assertStringStartsWith('23', $exception->getCode());
        }
        if ($connection->getDriverName() !== 'pgsql') { // where it is for constraints that are deferrable
            Schema::disableForeignKeyConstraints();
            DB::table('books')->insert($orphan);
            Schema::enableForeignKeyConstraints();
            self::assertSame(1, DB::table('books')->count());
        }
    }

    /** @dataProvider databases */
    public function test_a_migration_that_fails_leaves_nothing_where_the_database_can(string $dsn): void
    {
        $connection = $this->boot($dsn);
        try {
            $connection->transaction(static function (): void {
                Schema::create('things', static fn (Blueprint $table) => $table->id());
                Schema::create('things', static fn (Blueprint $table) => $table->id());
            });
            self::fail('made twice');
        } catch (QueryException) {
        }
        self::assertSame(0, $connection->transactionLevel());
        self::assertSame($connection->getDriverName() === 'mysql', Schema::hasTable('things'));
    }

    /** @dataProvider databases */
    public function test_the_repository_of_migrations_keeps_its_list(string $dsn): void
    {
        $this->boot($dsn);
        $repository = new DatabaseMigrationRepository(DB::getFacadeRoot(), 'things');
        self::assertFalse($repository->repositoryExists());
        $repository->createRepository();
        $repository->log('2024_create', 1);
        $repository->log('2025_change', 2);
        self::assertSame(['2024_create', '2025_change'], $repository->getRan());
        self::assertSame(3, $repository->getNextBatchNumber());
        $repository->deleteRepository();
    }

    public function test_all_tables_of_sqlite_are_dropped_under_connections_that_are_open(): void
    {
        $dsn = Databases::sqlite();
        $other = Database::connect($dsn);
        $other->query('PRAGMA journal_mode = WAL');
        $other->execute('CREATE TABLE other (id INTEGER)');
        $this->library($dsn);
        $this->author('Ada', 1);
        $other->execute('CREATE VIEW seen AS SELECT 1 AS one');
        Schema::dropAllViews();
        Schema::dropAllTables();
        self::assertSame([], $other->column("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"));
        self::assertSame('ok', $other->value('PRAGMA integrity_check'));
        self::assertSame(1, $other->value('PRAGMA foreign_keys'));
    }
}
