<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use DateTimeImmutable;
use Illuminate\Database\Connection as IlluminateConnection;
use Illuminate\Database\QueryException;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;
use Illuminate\Support\Str;
use Lyger\Database\Bytes;
use Lyger\Database\Eloquent\Connection;
use Lyger\Exception\UniqueViolation;
use PDOException;

/** The query builder: what is bound, what comes back, what fails. */
final class QueryTest extends EloquentTestCase
{
    /** @dataProvider databases */
    public function test_values_of_every_kind_are_bound_and_come_back_with_their_types(string $dsn): void
    {
        $connection = $this->things($dsn);
        $table = $connection->table('things');
        $stream = fopen('php://memory', 'r+b');
        fwrite($stream, "\x00\xff'");
        rewind($stream);
        $id = $table->insertGetId([
            'is_on' => true,
            'number' => true,
            'big' => PHP_INT_MAX,
            'ratio' => 0.1,
            'price' => '12.50',
            'text' => Str::of("it's ? :name \\ ü"),
            'level' => Level::High,
            'raw' => $stream,
            'at' => new DateTimeImmutable('2024-01-02 03:04:05'),
            'data' => json_encode(['a' => ['b' => 1], 'tags' => ['x', 'y']]),
        ]);
        self::assertSame(1, $id);
        $row = $connection->table('things')->first();
        $isSqlite = $connection->getDriverName() === 'sqlite';
        self::assertSame($connection->getDriverName() === 'pgsql' ? true : 1, $row->is_on);
        self::assertSame([1, PHP_INT_MAX, 0.1], [$row->number, $row->big, $row->ratio]);
        self::assertSame($isSqlite ? 12.5 : '12.50', $row->price);
        self::assertSame(["it's ? :name \\ ü", 'high', "\x00\xff'"], [$row->text, $row->level, $row->raw]);
        self::assertSame('2024-01-02 03:04:05', $row->at);
        self::assertSame(['a' => ['b' => 1], 'tags' => ['x', 'y']], json_decode($row->data, true));

        $found = static fn (string $column, mixed $value): int => DB::table('things')->where($column, $value)->count();
        self::assertSame(1, $found('is_on', true));
        self::assertSame(0, $found('is_on', false));
        self::assertSame(1, $found('is_on', '1'));
        self::assertSame([1, 1], [$found('number', true), $found('number', '1')]);
        self::assertSame([1, 1], [$found('level', Level::High), $found('text', Str::of("it's ? :name \\ ü"))]);
        self::assertSame([1, 1], [$found('raw', "\x00\xff'"), $found('raw', new Bytes("\x00\xff'"))]);
        self::assertSame(1, $found('at', new DateTimeImmutable('2024-01-02 03:04:05')));
        self::assertSame(1, DB::table('things')->whereDate('at', '2024-01-02')->whereYear('at', 2024)->count());
        self::assertSame(1, DB::table('things')->whereIn('big', [1, PHP_INT_MAX])->whereNotNull('at')->count());
        self::assertSame(1, DB::table('things')->whereBetween('number', [0, 1])->count());
    }

    /** @dataProvider databases */
    public function test_json_is_looked_into(string $dsn): void
    {
        $connection = $this->things($dsn);
        foreach ([['a' => ['b' => 1], 'tags' => ['x', 'y']], ['a' => ['b' => 2], 'tags' => []]] as $data) {
            $connection->table('things')->insert(['data' => json_encode($data)]);
        }
        self::assertSame(1, DB::table('things')->where('data->a->b', 1)->count());
        self::assertSame([2], DB::table('things')->where('data->a->b', '>', 1)->pluck('id')->all());
        if ($connection->getDriverName() === 'pgsql') {
            self::assertSame(1, DB::table('things')->whereRaw("data::jsonb -> 'tags' ?? 'x'")->count());
            self::assertSame(1, DB::table('things')->where(DB::raw("data -> 'tags'"), '?|', '{x,z}')->count());
        }
        if ($connection->getDriverName() !== 'sqlite') {
            self::assertSame(1, DB::table('things')->whereJsonContains('data->tags', 'y')->count());
            self::assertSame(1, DB::table('things')->whereJsonLength('data->tags', 2)->count());
        }
        DB::table('things')->where('id', 1)->update(['data->a->b' => 5]);
        self::assertSame(5, json_decode(DB::table('things')->where('id', 1)->value('data'), true)['a']['b']);
    }

    /** @dataProvider databases */
    public function test_queries_are_put_together(string $dsn): void
    {
        $this->library($dsn);
        $this->author('Ada', 4);
        $thick = DB::table('books')->where('pages', '>', 200)->select('title');
        $thin = DB::table('books')->where('pages', 100)->select('title');
        self::assertSame(['Book 1', 'Book 3', 'Book 4'], self::titles($thin->union($thick)->orderBy('title')->get()));
        $most = static fn ($query) => $query->from('books')->selectRaw('max(pages)');
        self::assertSame(['Book 4'], self::titles(DB::table('books')->where('pages', $most)->get()));
        $counts = DB::table('books')->join('authors', 'authors.id', '=', 'author_id')->groupBy('name')
            ->having(DB::raw('count(*)'), '>', 3)->selectRaw('name, count(*) as n, avg(pages) as mean')->get();
        self::assertSame(['Ada', 4, 250.0], [$counts[0]->name, $counts[0]->n, (float) $counts[0]->mean]);
        $names = DB::table('authors')->select(['name', 'last' => DB::table('books')->select('title')
            ->whereColumn('author_id', 'authors.id')->orderByDesc('id')->limit(1)])->get();
        self::assertSame('Book 4', $names[0]->last);
        self::assertTrue(DB::table('books')->where('title', 'like', 'Book%')->exists());
        self::assertSame('Book 1,Book 2', DB::table('books')->orderBy('id')->limit(2)->pluck('title')->implode(','));
        $names = DB::select('SELECT :name AS name, 1 AS one', ['name' => 'x']);
        self::assertSame(['x', 1], [$names[0]->name, $names[0]->one]);
    }

    /** @dataProvider databases */
    public function test_counts_are_those_of_the_rows_that_were_found(string $dsn): void
    {
        $this->library($dsn);
        $this->author('Ada', 3);
        self::assertSame(3, DB::table('books')->update(['pages' => 7]));
        self::assertSame(3, DB::table('books')->update(['pages' => 7]), 'also in MySQL, where nothing changes');
        self::assertSame(0, DB::table('books')->where('pages', 8)->update(['pages' => 9]));
        self::assertSame(3, DB::table('books')->increment('pages', 2, ['deleted_at' => null]));
        self::assertSame(1, DB::table('books')->where('title', 'Book 1')->delete());
        self::assertTrue(DB::statement('DELETE FROM ' . DB::getTablePrefix() . 'books'));
        self::assertTrue(DB::unprepared('DELETE FROM ' . DB::getTablePrefix() . 'authors'));
        self::assertSame(0, DB::table('authors')->count());
    }

    /** @dataProvider databases */
    public function test_a_failure_is_a_query_exception_with_sqlstate_number_and_message(string $dsn): void
    {
        $this->library($dsn);
        $this->author('Ada', 1);
        $driver = DB::connection()->getDriverName();
        $numbers = ['sqlite' => 19, 'pgsql' => 7, 'mysql' => 1062];
        try {
            DB::table('books')->insert(['author_id' => 1, 'title' => 'Book 1']);
            self::fail('the title is there');
        } catch (QueryException $exception) {
            self::assertInstanceOf(PDOException::class, $exception);
            self::assertSame($driver === 'pgsql' ? '23505' : '23000', $exception->getCode());
            self::assertSame([$exception->getCode(), $numbers[$driver]], array_slice($exception->errorInfo, 0, 2));
            self::assertStringContainsString('SQLSTATE[' . $exception->getCode() . ']', $exception->getMessage());
            self::assertStringContainsString('Book 1', $exception->getMessage());
            self::assertStringContainsString('insert into', $exception->getSql());
            self::assertInstanceOf(UniqueViolation::class, $exception->getPrevious()->getPrevious());
        }
        $wrong = [
            [fn () => DB::table('books')->insert(['author_id' => 99, 'title' => 'x']), ['23503', '23000'], 1452],
            [fn () => DB::table('books')->insert(['author_id' => 1, 'title' => null]), ['23502', '23000'], 1048],
            [fn () => DB::table('nothing')->get(), ['42P01', '42S02', 'HY000'], 1146],
            [fn () => DB::table('books')->sum('books.nothing'), ['42703', '42S22', 'HY000'], 1054],
            [fn () => DB::select('SELEC 1'), ['42601', '42000', 'HY000'], 1064],
            [fn () => iterator_to_array(DB::cursor('SELEC 1')), ['42601', '42000', 'HY000'], 1064],
            [fn () => DB::statement('SELEC 1'), ['42601', '42000', 'HY000'], 1064],
            [fn () => DB::update('SELEC 1'), ['42601', '42000', 'HY000'], 1064],
        ];
        foreach ($wrong as [$statement, $codes, $number]) {
            try {
                $statement();
                self::fail("no $codes[0]");
            } catch (QueryException $exception) {
                self::assertContains($exception->getCode(), $codes);
                self::assertSame($driver === 'mysql' ? $number : $exception->errorInfo[1], $exception->errorInfo[1]);
            }
        }
    }

    /** @dataProvider databases */
    public function test_what_ran_is_logged_and_what_is_pretended_does_not_run(string $dsn): void
    {
        $connection = $this->library($dsn);
        $events = [];
        $connection->listen(static function ($event) use (&$events): void {
            $events[] = $event->sql;
        });
        $queries = $connection->pretend(static function (IlluminateConnection $connection): void {
            $connection->table('authors')->insert(['name' => 'x']);
            $connection->table('authors')->insertOrIgnore(['name' => 'x']);
            $connection->table('authors')->update(['name' => 'y']);
            foreach ($connection->table('authors')->cursor() as $row) {
                self::fail('a row');
            }
        });
        self::assertCount(4, $queries);
        self::assertCount(4, $events);
        self::assertSame(0, $connection->table('authors')->count());
        $connection->enableQueryLog();
        $connection->flushQueryLog();
        $connection->table('authors')->where('name', true)->toSql();
        $connection->table('authors')->where('name', 'z')->get();
        self::assertSame([['z']], array_column($connection->getQueryLog(), 'bindings'));
    }

    /** @dataProvider databases */
    public function test_there_is_no_pdo_and_it_says_what_is_there_instead(string $dsn): void
    {
        $connection = $this->boot($dsn);
        self::assertInstanceOf(Connection::class, $connection);
        self::assertSame($dsn, $connection->db()->dsn());
        self::assertMatchesRegularExpression('/\d+\.\d+/', $connection->getServerVersion());
        $connection->disconnect();
        $connection->reconnect();
        self::assertEquals(1, $connection->selectOne('SELECT 1 AS one')->one);
        self::assertStringNotContainsString('password', json_encode($connection->getConfig()));
        foreach (['getPdo', 'getReadPdo'] as $method) {
            try {
                $connection->$method();
                self::fail('a PDO');
            } catch (\LogicException $exception) {
                self::assertStringContainsString('Lyger\\Database\\Db', $exception->getMessage());
            }
        }
    }

    private function things(string $dsn): IlluminateConnection&Connection
    {
        $connection = $this->boot($dsn);
        Schema::create('things', static function (Blueprint $table): void {
            $table->id();
            $table->boolean('is_on')->nullable();
            $table->integer('number')->nullable();
            $table->bigInteger('big')->nullable();
            $table->double('ratio')->nullable();
            $table->decimal('price', 8, 2)->nullable();
            $table->text('text')->nullable();
            $table->enum('level', ['low', 'high'])->nullable();
            $table->binary('raw')->nullable();
            $table->dateTime('at')->nullable();
            $table->jsonb('data')->nullable();
        });
        return $connection;
    }
}
