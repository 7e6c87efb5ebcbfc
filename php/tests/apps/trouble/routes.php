<?php

declare(strict_types=1);

use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Http\Cookie;
use Lyger\Http\HttpException;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Routing\Route;
use Lyger\Tests\Apps\RequestScope;

Route::get('/hello/{name}', static fn (string $name): Response => Response::text("hello $name"));

Route::any('/inspect[/{rest:.*}]', static fn (Request $request): array => [
    'method' => $request->method(),
    'path' => $request->path(),
    'raw' => $request->rawPath(),
    'query' => $request->query(),
    'headers' => $request->headers(),
    'cookies' => $request->cookies(),
    'body' => base64_encode($request->body()),
    'ip' => $request->ip(),
    'port' => $request->port(),
    'scheme' => $request->scheme(),
    'version' => $request->protocolVersion(),
]);

// Output and exits.
Route::get('/echo', static function (): void {
    http_response_code(202);
    echo 'echoed';
    flush();
    ob_start();
    echo ' twice';
});
Route::get('/status', static fn (): array => [http_response_code()]);
Route::get('/mixed', static function (): Response {
    echo 'first, ';
    return Response::text('second', 201);
});
Route::get('/exit/{code}', static function (int $code): void {
    ob_start();
    echo "exits $code";
    http_response_code(403);
    exit($code);
});
Route::get('/die', static function (): never {
    die('last words');
});

Route::get('/unbuffered', static function (): void {
    echo 'thrown away';
    while (ob_get_level() > 0) {
        ob_end_clean();
    }
    echo 'to standard output';
});
Route::get('/pid', static fn (): array => [getmypid()]);

// Failures.
Route::get('/throw', static function (): never {
    echo 'half an answer';
    throw new RuntimeException('a secret');
});
Route::get('/throw/lines', static fn (): never => throw new RuntimeException("one\r\ntwo\0\x1b[2Jthree"));
Route::get('/refuse', static fn (): never => throw HttpException::of(409, 'taken'));
Route::get('/type', static fn (): int => 5);
Route::get('/warn', static function (): string {
    trigger_error('careful', E_USER_WARNING);
    return 'warned';
});
Route::get('/exhaust', static function (): string {
    ini_set('memory_limit', (string) (memory_get_usage() + 4_000_000));
    return str_repeat('x', 100_000_000);
});
Route::get('/redeclare', static function (): void {
    eval('class Twice {} class Twice {}');
});
Route::get('/badheader', static fn (): Response => Response::text('x')->setHeader('X', "a\nb"));

// State.
Route::get('/scope', static fn (RequestScope $scope): array => [++$scope->uses]);
Route::get('/fiber', static function (): string {
    $fiber = new Fiber(static fn (): string => Fiber::suspend('in') . ' a fiber');
    $fiber->start();
    $fiber->resume('was in');
    return $fiber->getReturn();
});

// Time and size.
// Runs until the test makes a file of this name in the folder for temporary files, and says on stderr that it does.
Route::get('/hold/{name}', static function (string $name): string {
    error_log("holds $name");
    for ($ends = microtime(true) + 60; microtime(true) < $ends; clearstatcache()) {
        if (file_exists(sys_get_temp_dir() . "/$name")) {
            return "held $name";
        }
        usleep(1000);
    }
    return 'nobody came';
});
Route::get('/sleep/{ms}', static function (int $ms): string {
    usleep($ms * 1000);
    return "slept $ms";
});
Route::get('/spin/{ms}', static function (int $ms): string {
    for ($ends = microtime(true) + $ms / 1000; microtime(true) < $ends;) {
        usleep(1000);
    }
    return "spun $ms";
});
Route::get('/big/{bytes}', static fn (int $bytes): Response => Response::text(str_repeat('x', $bytes)));
Route::get('/headers', static fn (): Response => Response::text('x')
    ->addHeader('X-Many', 'a')
    ->addHeader('X-Many', 'b')
    ->setHeader('Content-Length', '99')
    ->setHeader('X-UTF', 'ü')
    ->setCookie(new Cookie('a', '1'))
    ->setCookie(new Cookie('b', '2')));
Route::get('/empty', static fn (): Response => Response::noContent());

// SQL.
Route::get('/sql/{n}', static fn (int $n, Db $db): SqlResponse => $db
    ->respond(
        'WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < ?) SELECT i, ? AS t FROM s',
        [$n, 'ü"'],
    )
    ->setStatus(203)
    ->setHeader('X-Rows', (string) $n));
Route::get('/rows/{n}', static fn (int $n, Db $db): array => $db
    ->query('WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < ?) SELECT i FROM s', [$n]));
Route::get('/shapes/{shape}', static function (string $shape, Db $db): SqlResponse {
    $rows = $db->respond("SELECT column1 AS id, column2 AS name FROM (VALUES (1, 'ü'), (2, NULL), (1, 'a,b'))");
    return match ($shape) {
        'list' => $rows->csv()->list(),
        'arrays' => $rows->arrays(),
        'ascii' => $db->respond("SELECT column1 AS id, column2 AS name FROM (VALUES (1, 'a,b'), (1, 'ü'))")
            ->flags(JSON_HEX_QUOT)->keyedBy('name'),
        'keyed' => $rows->keyedBy('id'),
        'single' => $rows->single(),
        'missing' => $db->respond('SELECT 1 AS id WHERE 0')->single()->setHeader('X-A', 'b'),
        'envelope' => $rows->envelope(),
        'paged' => $db
            ->respond('SELECT column1 AS id FROM (VALUES (1), (2), (3)) WHERE id < :max ; -- end', ['max' => 9])
            ->paged(2, 2),
        'ndjson' => $rows->ndjson(),
        'csv' => $rows->csv(),
        'etag' => $rows->etag(),
        'read' => $rows->etag()->setBody($rows->body()),
        'unkeyed' => $rows->keyedBy('name'),
    };
});
Route::get('/sql', static fn (Db $db): SqlResponse => $db->respond('SELECT * FROM nothing_like_it'));
Route::get('/sql-echo', static function (Db $db): SqlResponse {
    echo ' ';
    return $db->respond('SELECT 1 AS a');
});
Route::get('/pool', static fn (): SqlResponse => Db::connect('sqlite:/no/such/folder/x.db')->respond('SELECT 1'));

// Goes on for longer than the drain may take.
Route::get('/stop/{ms}', static function (int $ms): string {
    Engine::getInstance()->stopServer();
    usleep($ms * 1000);
    error_log('returns after its stop');
    return 'stopped';
});
Route::get('/stop', static function (): string {
    Engine::getInstance()->stopServer();
    return 'stopping';
});
