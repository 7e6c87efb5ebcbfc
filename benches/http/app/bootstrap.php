<?php

// Lyger's side: handlers that cost a known time, a query whose rows never become PHP values, and some whose rows do.

declare(strict_types=1);

use Lyger\Application;
use Lyger\Database\Db;
use Lyger\Http\Response;

require_once __DIR__ . '/../work.php';

$databases = [
    'sqlite' => Db::connect('sqlite:' . getenv('LYGER_BENCH_SQLITE')),
    'postgres' => Db::connect((string) getenv('LYGER_TEST_POSTGRES')),
    'postgres-code' => Db::connect((string) getenv('LYGER_BENCH_POSTGRES_CODE')),
];
const PRODUCTS_FROM = 'SELECT * FROM products WHERE id >= ? ORDER BY id LIMIT ?';
const PRODUCT = 'SELECT * FROM products WHERE id = ?';
$app = Application::create(__DIR__);
$app->router()->get('/hello/{name}', static fn (string $name): Response => Response::json(['hello' => $name]));
$app->router()->get('/burn/{micros}/{name}', static function (int $micros, string $name): Response {
    burn($micros);
    return Response::json(['hello' => $name]);
});
$app->router()->get('/sleep/{micros}/{name}', static function (int $micros, string $name): Response {
    usleep($micros);
    return Response::json(['hello' => $name]);
});
$app->router()->get(
    '/two/{database}/{first}',
    static fn (string $database, int $first): Response => Response::json([
        $databases[$database]->row(PRODUCT, [$first]),
        $databases[$database]->row(PRODUCTS_FROM, [$first + 1, 1]),
    ]),
);
$app->router()->get(
    '/{database}/{rows}/{from}',
    static fn (string $database, int $rows, int $from): Response
        => $databases[$database]->respond(PRODUCTS_FROM, [$from, $rows]),
);
$app->router()->get(
    '/array/{database}/{rows}/{from}',
    static fn (string $database, int $rows, int $from): Response
        => Response::json($databases[$database]->query(PRODUCTS_FROM, [$from, $rows])),
);

return $app;
