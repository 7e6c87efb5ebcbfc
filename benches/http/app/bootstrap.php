<?php

// Lyger's side: the same query, whose rows never become PHP values.

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;
use Lyger\Http\Response;

$databases = [
    'sqlite' => Db::connect('sqlite:' . getenv('LYGER_BENCH_SQLITE')),
    'postgres' => Db::connect((string) getenv('LYGER_TEST_POSTGRES')),
];
$app = Application::create(__DIR__);
$app->router()->get('/hello/{name}', static fn (string $name): Response => Response::json(['hello' => $name]));
$app->router()->get(
    '/{database}/{rows}/{from}',
    static fn (string $database, int $rows, int $from): Response => $databases[$database]->respond(
        'SELECT * FROM products WHERE id >= ? ORDER BY id LIMIT ?',
        [$from, $rows],
    ),
);

return $app;
