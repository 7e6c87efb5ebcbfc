<?php

/** Routes for workers that have several requests under way. */

declare(strict_types=1);

use Lyger\Async;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Routing\Route;

/** Lives as long as a request. */
final class Marks
{
    public string $of = '';
}

// Opens once so many requests stand before it, all in this process.
Route::get('/async/barrier/{count}/{token}', static function (int $count, string $token): Response {
    static $arrived = 0;
    note("barrier $token");
    $arrived++;
    while ($arrived < $count) {
        Async::sleep(0.002);
    }
    return Response::text("$token passed");
});

$hold = static function (string $token): Response {
    note("hold $token");
    while (!file_exists(__DIR__ . "/release-$token")) {
        Async::sleep(0.005);
        clearstatcache();
    }
    return Response::text("held $token");
};
Route::get('/async/hold/{token}', $hold);
Route::post('/async/hold/{token}', $hold);
Route::get('/async/once/hold/{token}', $hold)->once();

// Everything that a request has of its own, on both sides of many waits.
Route::get('/async/state/{token}', static function (Request $request, Marks $marks, string $token): Response {
    $marks->of = $token;
    http_response_code(200 + crc32($token) % 3);
    for ($turn = 0; $turn < 10; $turn++) {
        echo "$token ";
        ob_start();
        echo "inner $token ";
        Async::sleep(random_int(0, 3_000) / 1e6);
        echo ob_get_clean();
        Async::suspend();
    }
    $status = http_response_code();
    return Response::text("$marks->of {$request->query('q')} {$request->header('x-token')} $status");
});

Route::get('/async/idle/{token}', static function (string $token): Response {
    note("idle $token");
    Async::sleep(2.5);
    return Response::text("$token idled");
});

// Waits, and ends in every way there is, while others wait.
Route::get('/async/die/{how}/{token}', static function (string $how, string $token): mixed {
    note("die $token");
    Async::sleep(0.01);
    switch ($how) {
        case 'throw':
            throw new RuntimeException($token);
        case 'exit':
            http_response_code(418);
            echo "exited $token";
            exit(3);
        case 'segfault':
            posix_kill(posix_getpid(), SIGSEGV);
            break;
        case 'fatal':
            return Response::text((string) (static fn () => eval('class Twice {} class Twice {}'))());
        case 'loop':
            while (!file_exists(__DIR__ . "/release-$token")) {
                Async::sleep(0.005);
                clearstatcache();
            }
            while (true) {
            }
        case 'sleep':
            Async::sleep(1_000);
    }
    return Response::text("alive $token");
});

// What PHP has one of. Nobody else may run while a handler has it.
Route::get('/async/shared/{token}', static function (string $token): Response {
    static $inside = 0;
    $seen = ++$inside;
    $_GET = ['token' => $token];
    date_default_timezone_set('Asia/Tokyo');
    Async::sleep(0.02);
    $mine = $_GET['token'] ?? 'none';
    $inside--;
    return Response::text("$mine $seen " . date_default_timezone_get());
});
