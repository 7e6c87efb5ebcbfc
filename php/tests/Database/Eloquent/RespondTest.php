<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use Illuminate\Support\Facades\DB;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\Request;
use Lyger\Http\SqlResponse;
use Lyger\Tests\Database\Eloquent\Models\Author;
use Lyger\Tests\Database\Eloquent\Models\Book;
use Lyger\Tests\Support\ServerProcess;

/** respond(): a query's rows as an answer, without models. */
final class RespondTest extends EloquentTestCase
{
    /** @dataProvider databases */
    public function test_the_rows_of_a_query_are_the_answer(string $dsn): void
    {
        $this->library($dsn);
        $author = $this->author('Ada', 4);
        Book::where('title', 'Book 4')->delete();
        $body = static fn (SqlResponse $response): string => $response->body();

        $thick = Book::query()->thick()->select('id', 'title')->respond();
        self::assertTrue($thick->isPending(), 'nothing has run yet');
        self::assertSame('[{"id":3,"title":"Book 3"}]', $body($thick));
        $titles = '[{"title":"Book 1"},{"title":"Book 2"},{"title":"Book 3"}]';
        self::assertSame($titles, $body($author->books()->select('title')->respond()));
        self::assertSame($titles, $body(DB::table('books')->whereNull('deleted_at')->orderBy('id')
            ->select('title')->respond()));
        $counts = Book::query()->join('authors', static fn ($join) => $join->on('authors.id', '=', 'author_id')
            ->where('name', 'Ada'))->where('pages', '>', 100)->groupBy('name')->havingRaw('count(*) > ?', [1])
            ->selectRaw('name, count(*) + ? AS n', [10])->respond();
        self::assertSame('[{"name":"Ada","n":12}]', $body($counts));
        self::assertSame('{"title":"Book 2"}', $body(Book::where('pages', 200)->select('title')->respond()->single()));
        $page = json_decode($body(Book::orderBy('id')->select('title')->respond()->paged(2, 2)), true);
        self::assertSame([['title' => 'Book 3']], $page['data']);
        self::assertSame([3, 2], [$page['meta']['total'], $page['meta']['pages']]);
        self::assertSame("title\r\nBook 1\r\n", $body(Book::whereKey(1)->select('title')->respond()->csv()));
        $missing = Book::whereKey(99)->respond()->single();
        $missing->settle(Request::create('GET', '/'));
        self::assertSame(404, $missing->status());
    }

    /** @dataProvider databases */
    public function test_the_values_are_the_databases_in_the_engines_forms(string $dsn): void
    {
        $connection = $this->library($dsn);
        $born = '1815-12-10 01:02:03';
        Author::create(['name' => 'Ada', 'settings' => ['a' => [1]], 'born_at' => $born, 'balance' => 2]);
        $json = Author::query()->select('settings', 'born_at', 'balance', 'is_active')->respond()->body();
        self::assertSame(match ($connection->getDriverName()) {
            'pgsql' => '[{"settings":{"a":[1]},"born_at":"1815-12-10T01:02:03","balance":"2.00","is_active":true}]',
            'mysql' => '[{"settings":"{\"a\":[1]}","born_at":"1815-12-10T01:02:03","balance":"2.00","is_active":1}]',
            'sqlite' => '[{"settings":"{\"a\":[1]}","born_at":"1815-12-10T01:02:03","balance":2,"is_active":1}]',
        }, $json);
    }

    /** @dataProvider databases */
    public function test_within_a_transaction_the_answer_is_that_transactions(string $dsn): void
    {
        $this->library($dsn);
        DB::beginTransaction();
        $this->author('Ada', 1);
        $response = Book::query()->select('title')->respond();
        self::assertFalse($response->isAnybodys());
        self::assertSame('[{"title":"Book 1"}]', $response->body());
        DB::rollBack();
        self::assertSame('[]', Book::query()->select('title')->respond()->body());
    }

    /** @dataProvider databases */
    public function test_what_an_answer_would_lack_or_give_away_is_refused(string $dsn): void
    {
        $this->library($dsn);
        $fine = [
            Author::query()->select('name'),
            Author::query()->selectRaw('upper(name) AS name'),
            Author::with('books')->withOnly([])->select('authors.name as n'),
        ];
        foreach ($fine as $query) {
            self::assertSame('[]', $query->respond()->body());
        }
        $refused = [
            'books' => Book::with('author'),
            'named' => Author::query(),
            'every' => Author::query()->select('authors.*'),
            '"secret"' => Author::query()->select('name', 'secret'),
            '"s"' => Author::query()->select('authors.secret as s'),
            '"secret" ' => Author::query()->select('name AS secret'),
        ];
        foreach ($refused as $query) {
            try {
                $query->respond();
                self::fail($query->toSql());
            } catch (InvalidArgument $exception) {
                self::assertMatchesRegularExpression('/author|secret|"s"|select\(\)/', $exception->getMessage());
            }
        }
    }

    /** @dataProvider databases */
    public function test_an_application_answers_with_models_and_with_rows(string $dsn): void
    {
        $server = $this->serve($dsn);
        try {
            self::assertSame([['id' => 3, 'title' => 'Book 3']], $server->ask('GET', '/books')->json());
            self::assertSame('Book 2', $server->ask('GET', '/books/2')->json()['title']);
            self::assertSame(404, $server->ask('GET', '/books/9')->status);
            self::assertSame([['title' => 'Book 3']], $server->ask('GET', '/page/2')->json()['data']);
            $author = $server->ask('GET', '/authors')->json()[0];
            self::assertSame(['Ada', 3], [$author['name'], count($author['books'])]);
            self::assertArrayNotHasKey('secret', $author);
            $created = $server->ask('GET', '/created')->json()['at'];
            self::assertMatchesRegularExpression('/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/D', $created);
            $page = $server->ask('GET', '/pages?page=2')->json();
            self::assertSame([3, 2, 'Book 3'], [$page['total'], $page['current_page'], $page['data'][0]['title']]);
            self::assertSame(['level' => 1], $server->ask('GET', '/leave')->json());
            self::assertSame(['level' => 0, 'authors' => 1], $server->ask('GET', '/level')->json());
        } finally {
            $server->stop();
        }
    }

    /** @dataProvider databases */
    public function test_requests_side_by_side_count_their_own_transactions(string $dsn): void
    {
        $isFleet = getenv('LYGER_ENGINE') === 'required';
        $server = $this->serve($dsn, $isFleet ? ['--workers=1', '--concurrency=4'] : []);
        try {
            // SQLite has one writer at a time: there the second waits for the first.
            $names = str_starts_with($dsn, 'sqlite') ? ['kept'] : ['kept', 'lost', 'kept'];
            $sockets = array_map(static fn (string $name) => $server->begin('GET', "/hold/$name"), $names);
            foreach ($sockets as $socket) {
                self::assertSame(['level' => 1, 'after' => 0], $server->finish($socket)->json());
            }
            $kept = count(array_keys($names, 'kept', true));
            self::assertSame(['level' => 0, 'authors' => 1 + $kept], $server->ask('GET', '/level')->json());
        } finally {
            $server->stop();
        }
    }

    /** @param list<string> $flags */
    private function serve(string $dsn, array $flags = []): ServerProcess
    {
        $this->library($dsn);
        $this->author('Ada', 3);
        $environment = ['SQL_DSN' => $dsn, 'SQL_PREFIX' => DB::getTablePrefix()];
        return ServerProcess::rawr($flags, $environment, 'eloquent');
    }
}
