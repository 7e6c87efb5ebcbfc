<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use DateTimeImmutable;
use Illuminate\Database\Eloquent\ModelNotFoundException;
use Illuminate\Support\Carbon;
use Lyger\Exception\InvalidConfig;
use Lyger\Tests\Database\Eloquent\Models\Author;
use Lyger\Tests\Database\Eloquent\Models\Book;
use Lyger\Tests\Database\Eloquent\Models\Note;
use Lyger\Tests\Database\Eloquent\Models\Tag;

/** Models: what is written is what is read, with the types of their casts; relations and eager loading. */
final class ModelTest extends EloquentTestCase
{
    /** @dataProvider databases */
    public function test_a_model_is_created_found_changed_and_deleted(string $dsn): void
    {
        $this->library($dsn);
        $author = Author::create(['name' => "O'Hara ?"]);
        self::assertSame([1, true], [$author->id, $author->wasRecentlyCreated]);
        $author->name = 'Grace';
        self::assertTrue($author->save());
        self::assertSame('Grace', Author::find(1)->name);
        self::assertSame('Grace', Author::where('name', 'Grace')->firstOrFail()->name);
        self::assertSame(1, Author::whereKey(1)->update(['name' => 'Alan']));
        self::assertSame('Alan', $author->fresh()->name);
        self::assertTrue($author->delete());
        self::assertNull(Author::find(1));
        $this->expectException(ModelNotFoundException::class);
        Author::findOrFail(1);
    }

    /** @dataProvider databases */
    public function test_casts_give_back_what_was_stored_in_any_time_zone(string $dsn): void
    {
        $zone = date_default_timezone_get();
        date_default_timezone_set('Europe/Berlin');
        try {
            $this->library($dsn);
            Author::create([
                'name' => 'Ada',
                'is_active' => false,
                'settings' => ['theme' => 'dark', 'sizes' => [1, 2.5], 'ü' => null],
                'born_at' => new DateTimeImmutable('1815-12-10 01:02:03'),
                'balance' => '1234567.50',
            ]);
            $author = Author::first();
            self::assertFalse($author->is_active);
            self::assertSame(['theme' => 'dark', 'sizes' => [1, 2.5], 'ü' => null], $author->settings);
            self::assertInstanceOf(Carbon::class, $author->born_at);
            self::assertSame('1815-12-10 01:02:03', $author->born_at->format('Y-m-d H:i:s'));
            self::assertSame('1234567.50', $author->balance);
            self::assertEqualsWithDelta(time(), $author->created_at->getTimestamp(), 60, 'TIMESTAMP, in this zone');
            self::assertFalse($author->isDirty());
            $author->fill(['born_at' => new DateTimeImmutable('1815-12-10 01:02:03'), 'is_active' => 0]);
            self::assertFalse($author->isDirty(), 'the same again is no change');
        } finally {
            date_default_timezone_set($zone);
        }
    }

    /** @dataProvider databases */
    public function test_relations_are_read_and_written_both_ways(string $dsn): void
    {
        $this->library($dsn);
        $author = $this->author('Ada', 3);
        self::assertSame(['Book 1', 'Book 2', 'Book 3'], self::titles($author->books));
        self::assertSame('Book 3', $author->latest->title);
        self::assertSame('Ada', Book::where('title', 'Book 2')->first()->author->name);

        [$red, $blue] = [Tag::create(['name' => 'red']), Tag::create(['name' => 'blue'])];
        $book = $author->books->first();
        $book->tags()->attach([$red->id => ['weight' => 5], $blue->id => ['weight' => 0]]);
        $weights = $book->fresh()->tags->map(static fn (Tag $tag): array => [$tag->name, $tag->pivot->weight]);
        self::assertSame([['red', 5], ['blue', 0]], $weights->all());
        $book->tags()->sync([$blue->id]);
        self::assertSame(['blue'], $book->tags()->pluck('name')->all());
        self::assertSame(['Book 1'], self::titles($blue->books));

        $author->notes()->create(['text' => 'of an author']);
        $book->notes()->create(['text' => 'of a book']);
        self::assertSame(['of an author'], $author->notes->pluck('text')->all());
        self::assertSame(['of a book'], $author->bookNotes->pluck('text')->all());
        $kinds = Note::orderBy('id')->get()->map(static fn (Note $note): string => $note->notable::class);
        self::assertSame([Author::class, Book::class], $kinds->all());
    }

    /** @dataProvider databases */
    public function test_eager_loading_takes_one_statement_for_each_relation(string $dsn): void
    {
        $connection = $this->library($dsn);
        foreach (['Ada', 'Grace', 'Alan'] as $number => $name) {
            $author = Author::create(['name' => $name]);
            $book = $author->books()->create(['title' => "By $name", 'pages' => $number]);
            $book->tags()->attach(Tag::create(['name' => $name])->id);
            $book->notes()->create(['text' => $name]);
        }
        $connection->enableQueryLog();
        $authors = Author::with(['books.tags', 'books.notes'])->withCount('books')->withSum('books', 'pages')
            ->orderBy('id')->get();
        self::assertCount(4, $connection->getQueryLog());
        foreach ($authors as $number => $author) {
            self::assertSame([1, $number], [$author->books_count, (int) $author->books_sum_pages]);
            self::assertSame([$author->name], $author->books->first()->tags->pluck('name')->all());
            self::assertSame([$author->name], $author->books->first()->notes->pluck('text')->all());
        }
        self::assertCount(4, $connection->getQueryLog());
        $note = Note::with('notable.author')->first();
        self::assertSame('Ada', $note->notable->author->name);
        self::assertSame(['Grace', 'Alan'], Author::whereHas('books', static fn ($books) => $books
            ->where('pages', '>', 0))->orderBy('id')->pluck('name')->all());
        self::assertSame(0, Author::doesntHave('books')->count());
    }

    /** @dataProvider databases */
    public function test_soft_deleted_models_are_out_of_sight_until_restored(string $dsn): void
    {
        $this->library($dsn);
        $book = $this->author('Ada', 2)->books->first();
        $book->delete();
        self::assertSame(['Book 2'], self::titles(Book::all()));
        self::assertSame(2, Book::withTrashed()->count());
        self::assertTrue(Book::onlyTrashed()->first()->trashed());
        Book::onlyTrashed()->restore();
        self::assertSame(2, Book::count());
        $book->forceDelete();
        self::assertSame(1, Book::withTrashed()->count());
    }

    /** @dataProvider databases */
    public function test_rows_are_inserted_or_updated_as_asked(string $dsn): void
    {
        $this->library($dsn);
        $author = $this->author();
        $row = static fn (string $title, int $pages): array => ['author_id' => 1, 'title' => $title, 'pages' => $pages];
        self::assertSame(1, $author->books()->insertOrIgnore([$row('A', 1)]));
        self::assertSame(1, $author->books()->insertOrIgnore([$row('A', 2), $row('B', 2)]));
        self::assertSame(['A' => 1, 'B' => 2], Book::orderBy('title')->pluck('pages', 'title')->all());
        Book::upsert([$row('B', 3), $row('C', 3)], ['title'], ['pages']);
        self::assertSame(['A' => 1, 'B' => 3, 'C' => 3], Book::orderBy('title')->pluck('pages', 'title')->all());
        self::assertSame(9, Book::updateOrCreate(['title' => 'C'], $row('C', 9))->pages);
        self::assertSame('D', Book::firstOrCreate(['title' => 'D'], $row('D', 4))->title);
        self::assertSame(4, Book::count());
        Book::where('title', 'D')->first()->increment('pages', 2, ['title' => 'E']);
        self::assertSame(6, Book::where('title', 'E')->value('pages'));
        self::assertSame(4, Book::query()->decrement('pages'));
        self::assertSame(0, Book::where('title', 'A')->value('pages'));
    }

    /** @dataProvider databases */
    public function test_events_of_models_come(string $dsn): void
    {
        $this->library($dsn);
        $seen = [];
        Author::creating(static function (Author $author) use (&$seen): void {
            $seen[] = "creating $author->name";
        });
        Author::retrieved(static function (Author $author) use (&$seen): void {
            $seen[] = "retrieved $author->name";
        });
        $this->author();
        Author::first();
        self::assertSame(['creating Ada', 'retrieved Ada'], $seen);
        Author::flushEventListeners();
    }

    public function test_a_model_without_a_database_says_who_names_it(): void
    {
        $this->expectException(InvalidConfig::class);
        $this->expectExceptionMessage('Eloquent::boot()');
        Author::query();
    }
}
