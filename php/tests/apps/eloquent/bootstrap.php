<?php

/** An application on Eloquent, on the database of SQL_DSN and the tables with the prefix SQL_PREFIX. */

declare(strict_types=1);

use Illuminate\Support\Facades\DB;
use Lyger\Application;
use Lyger\Async;
use Lyger\ClassLoader;
use Lyger\Database\Eloquent\Eloquent;
use Lyger\Http\Request;
use Lyger\Http\SqlResponse;
use Lyger\Tests\Database\Eloquent\Models\Author;
use Lyger\Tests\Database\Eloquent\Models\Book;

ClassLoader::register('Lyger\\Tests\\', dirname(__DIR__, 2));

$app = Application::create(__DIR__);
Eloquent::boot((string) getenv('SQL_DSN'), (string) getenv('SQL_PREFIX'));
$router = $app->router();

$router->get('/books', static fn (): SqlResponse => Book::query()->thick()->select('id', 'title')->respond());
$router->get('/books/{id}', static fn (int $id): SqlResponse => Book::whereKey($id)->respond()->single());
$router->get('/page/{page}', static fn (int $page): SqlResponse
    => DB::table('books')->orderBy('id')->select('title')->respond()->paged($page, 2));
$router->get('/authors', static fn (): array => Author::with('books')->orderBy('id')->get()->toArray());
$router->get('/pages', static fn (Request $request): array => Book::orderBy('id')
    ->paginate(2, ['*'], 'page', (int) $request->query('page', '1'))->toArray());
$router->get('/created', static fn (): array => ['at' => DB::table('authors')->value('created_at')]);
// Stays in its transaction until somebody else is in one as well.
$router->get('/hold/{name}', static function (string $name): array {
    DB::beginTransaction();
    Author::create(['name' => $name]);
    Async::sleep(0.3);
    $level = DB::transactionLevel();
    $name === 'kept' ? DB::commit() : DB::rollBack();
    return ['level' => $level, 'after' => DB::transactionLevel()];
});
$router->get('/leave', static function (): array {
    DB::beginTransaction();
    Author::create(['name' => 'left']);
    return ['level' => DB::transactionLevel()];
});
$router->get('/level', static fn (): array => ['level' => DB::transactionLevel(), 'authors' => Author::count()]);

return $app;
