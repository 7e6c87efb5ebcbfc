<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

use Illuminate\Database\Connection as IlluminateConnection;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Schema\Blueprint;
use Lyger\Core\Engine;
use Lyger\Database\Eloquent\Connection;
use Lyger\Database\Eloquent\Connections;
use Lyger\Database\Eloquent\Eloquent;
use Lyger\Tests\Database\Eloquent\Models\Author;
use Lyger\Tests\Database\Eloquent\Models\Book;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;

/** Eloquent on each database, on tables that no other test has. */
abstract class EloquentTestCase extends SqlTestCase
{
    private ?Connections $booted = null;

    protected function tearDown(): void
    {
        if ($this->booted !== null) {
            foreach (['book_tag', 'notes', 'tags', 'books', 'authors', 'things'] as $table) {
                $this->booted->schema()->dropIfExists($table);
            }
        }
        Model::unsetConnectionResolver();
        Model::unsetEventDispatcher();
        parent::tearDown();
    }

    /** Sets Eloquent up, with a prefix of its own for the tables. */
    protected function boot(string $dsn): IlluminateConnection&Connection
    {
        if (getenv('LYGER_TEST_BARE') !== false) {
            self::assertFalse(extension_loaded('pdo') || extension_loaded('mysqli') || extension_loaded('pgsql'));
            self::assertTrue(Engine::getInstance()->isNative());
        }
        $this->booted = Eloquent::boot($dsn, Databases::table() . '_');
        return $this->booted->connection();
    }

    /** The tables of the models. */
    protected function library(string $dsn): IlluminateConnection&Connection
    {
        $connection = $this->boot($dsn);
        $schema = $connection->getSchemaBuilder();
        $schema->create('authors', static function (Blueprint $table): void {
            $table->id();
            $table->string('name');
            $table->string('secret')->nullable();
            $table->boolean('is_active')->default(true);
            $table->json('settings')->nullable();
            $table->dateTime('born_at')->nullable();
            $table->decimal('balance', 10, 2)->default(0);
            $table->timestamps();
        });
        $schema->create('books', static function (Blueprint $table): void {
            $table->id();
            $table->foreignId('author_id')->constrained('authors');
            $table->string('title')->unique();
            $table->integer('pages')->default(0);
            $table->timestamps();
            $table->softDeletes();
        });
        $schema->create('tags', static function (Blueprint $table): void {
            $table->id();
            $table->string('name');
        });
        $schema->create('book_tag', static function (Blueprint $table): void {
            $table->foreignId('book_id');
            $table->foreignId('tag_id');
            $table->integer('weight')->default(0);
            $table->primary(['book_id', 'tag_id']);
        });
        $schema->create('notes', static function (Blueprint $table): void {
            $table->id();
            $table->morphs('notable');
            $table->text('text');
        });
        return $connection;
    }

    /** An author with so many books: "Book 1" of 100 pages, "Book 2" of 200, ... */
    protected function author(string $name = 'Ada', int $books = 0): Author
    {
        $author = Author::create(['name' => $name]);
        for ($number = 1; $number <= $books; $number++) {
            $author->books()->create(['title' => "Book $number", 'pages' => 100 * $number]);
        }
        return $author;
    }

    /** @return list<string> */
    protected static function titles(iterable $books): array
    {
        $titles = [];
        foreach ($books as $book) {
            $titles[] = $book instanceof Book ? $book->title : ((array) $book)['title'];
        }
        return $titles;
    }
}
