<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use Illuminate\Pagination\Cursor;
use Lyger\Tests\Database\Eloquent\Models\Book;

/** Rows in pages, in chunks and one after the other. */
final class PaginationTest extends EloquentTestCase
{
    /** @dataProvider databases */
    public function test_pages_count_and_follow_each_other(string $dsn): void
    {
        $this->library($dsn);
        $this->author('Ada', 5);
        $page = Book::orderBy('id')->paginate(2, ['*'], 'page', 2);
        self::assertSame([5, 3, 2], [$page->total(), $page->lastPage(), $page->currentPage()]);
        self::assertSame(['Book 3', 'Book 4'], self::titles($page));
        $json = json_decode($page->toJson(), true);
        self::assertSame([5, 2, 'Book 3'], [$json['total'], $json['per_page'], $json['data'][0]['title']]);

        $simple = Book::orderBy('id')->simplePaginate(2, ['*'], 'page', 3);
        self::assertSame([['Book 5'], false], [self::titles($simple), $simple->hasMorePages()]);

        $titles = [];
        $cursor = null;
        do {
            $page = Book::orderBy('pages', 'desc')->orderBy('id')->cursorPaginate(2, ['*'], 'cursor', $cursor);
            $titles = [...$titles, ...self::titles($page)];
            $cursor = $page->nextCursor() === null ? null : Cursor::fromEncoded($page->nextCursor()->encode());
        } while ($cursor !== null);
        self::assertSame(['Book 5', 'Book 4', 'Book 3', 'Book 2', 'Book 1'], $titles);
    }

    /** @dataProvider databases */
    public function test_chunks_hold_every_row_once(string $dsn): void
    {
        $this->library($dsn);
        $this->author('Ada', 5);
        $chunks = [];
        Book::orderBy('id')->chunk(2, static function ($books) use (&$chunks): void {
            $chunks[] = self::titles($books);
        });
        self::assertSame([['Book 1', 'Book 2'], ['Book 3', 'Book 4'], ['Book 5']], $chunks);
        Book::chunkById(2, static fn ($books) => $books->each->increment('pages'));
        self::assertSame(1505, (int) Book::sum('pages'));
        self::assertSame(['Book 1', 'Book 2', 'Book 3', 'Book 4', 'Book 5'], self::titles(Book::lazyById(2)));
        self::assertSame(5, Book::orderBy('id')->lazy(2)->count());
        self::assertSame(['Book 1', 'Book 2'], self::titles(Book::orderBy('id')->cursor()->take(2)));
    }

    /** @dataProvider databases */
    public function test_a_cursor_holds_a_part_of_the_rows_and_can_be_left(string $dsn): void
    {
        $connection = $this->boot($dsn);
        $rows = 200_000;
        $sql = $connection->getDriverName() === 'mysql'
            ? "SELECT seq AS n, REPEAT('x', 50) AS text FROM seq_1_to_$rows"
            : 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ?) SELECT n, '
                . "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' AS text FROM s";
        $bindings = $connection->getDriverName() === 'mysql' ? [] : [$rows];
        $before = memory_get_usage();
        [$sum, $most] = [0, 0];
        foreach ($connection->cursor($sql, $bindings) as $row) {
            $sum += $row->n;
            $most = max($most, memory_get_usage() - $before);
        }
        self::assertSame($rows * ($rows + 1) / 2, $sum);
        self::assertLessThan(4_000_000, $most);
        foreach ($connection->cursor($sql, $bindings) as $row) {
            break;
        }
        self::assertSame(1, $row->n);
        self::assertEquals(2, $connection->selectOne('SELECT 1 + 1 AS two')->two, 'and the connection is usable');
    }
}
