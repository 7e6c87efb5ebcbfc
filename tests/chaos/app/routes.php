<?php

declare(strict_types=1);

use Lyger\Core\Engine;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Routing\Route;

/** A line in the test's log: what ran, in which process. It tells how often a request was run, whatever became of it. */
function note(string $what): void
{
    file_put_contents((string) getenv('CHAOS_LOG'), getmypid() . " $what\n", FILE_APPEND | LOCK_EX);
}

/** Waits until the test makes a file of this name. */
function await_file(string $name): void
{
    $file = __DIR__ . "/$name";
    while (!file_exists($file)) {
        usleep(5_000);
        clearstatcache(true, $file);
    }
}

require __DIR__ . '/fibers.php';

$version = require __DIR__ . '/version.php';

$echo = static function (Request $request, string $token): Response {
    usleep((int) $request->query('us', '0'));
    return Response::text("$token {$request->query('q')} {$request->header('x-token')}");
};
Route::get('/echo/{token}', $echo);
Route::post('/echo/{token}', static function (Request $request, string $token): Response {
    return Response::text("$token " . hash('fnv1a64', $request->body()));
});

// The body is the token over and over, so that a foreign byte or a missing one shows.
$big = static function (Request $request, string $token): Response {
    usleep((int) $request->query('us', '0'));
    return Response::text(str_repeat("$token\n", (int) $request->query('times')));
};
Route::get('/big/{token}', $big);
Route::post('/big/{token}', $big);

Route::get('/version/{token}', static fn (string $token): Response => Response::text("$token version $version"));
Route::get('/pid/{token}', static fn (string $token): Response => Response::text("$token " . getmypid()));
Route::get('/random/{token}', static function (string $token): Response {
    return Response::text("$token " . getmypid() . ' ' . mt_rand() . ' ' . mt_rand());
});

$hold = static function (string $token): Response {
    note("hold $token");
    await_file("release-$token");
    return Response::text("held $token");
};
Route::get('/hold/{token}', $hold);
Route::post('/hold/{token}', $hold);
Route::get('/once/hold/{token}', $hold)->once();

// Notes that it runs, and tells when it began.
$work = static function (Request $request, string $token): Response {
    $began = microtime(true);
    note("work $token");
    usleep((int) $request->query('us', '0'));
    return Response::text(sprintf('%s %.6F', $token, $began));
};
Route::get('/job/{token}', $work);
Route::post('/job/{token}', $work);

Route::get('/die/{how}/{token}', static function (string $how, string $token): mixed {
    note("die $token");
    switch ($how) {
        case 'segfault':
            posix_kill(posix_getpid(), SIGSEGV);
            break;
        case 'killed':
            posix_kill(posix_getpid(), SIGKILL);
            break;
        case 'exit':
            http_response_code(418);
            echo "exited $token";
            exit(3);
        case 'memory':
            ini_set('memory_limit', (string) (memory_get_usage(true) + 8_388_608));
            return Response::text(str_repeat('x', 100_000_000));
        case 'fatal':
            return Response::text((string) (static fn () => eval('class Twice {} class Twice {}'))());
        case 'included-syntax':
        case 'included-compile':
            $file = __DIR__ . "/$token.php";
            file_put_contents($file, '<?php ' . ($how === 'included-syntax' ? 'is no PHP' : 'class A {} class A {}'));
            return include $file;
        case 'recursion':
            // Through C: PHP's own calls take no stack.
            $down = static fn (int $depth): array => array_map($GLOBALS['down'], [$depth + 1]);
            $GLOBALS['down'] = $down;
            ini_set('memory_limit', '-1');
            return $down(0);
        case 'throw':
            throw new RuntimeException($token);
    }
    return Response::text("alive $token");
});

Route::get('/never/{how}/{token}', static function (string $how, string $token): Response {
    note("never $token");
    if ($how === 'deaf') {
        pcntl_signal(SIGTERM, SIG_IGN);
    }
    if ($how === 'polite') {
        pcntl_async_signals(true);
        pcntl_signal(SIGTERM, static function () use ($token): never {
            note("terminated-$token");
            exit(0);
        });
    }
    while (true) {
        if ($how === 'sleep') {
            sleep(1_000);
        }
    }
});

// Grows by half a megabyte with each request.
Route::get('/leak/{token}', static function (string $token): Response {
    static $leaked = [];
    $leaked[] = str_repeat($token, intdiv(524_288, strlen($token)));
    return Response::text("$token leaked");
});

// Leaves a process behind that outlives its worker.
Route::get('/daemon/{token}', static function (string $token): Response {
    exec('sleep 300 >/dev/null 2>&1 & echo $!', $lines);
    return Response::text("$token $lines[0]");
});

// A user's answer is made of everything a user has: what is left of another one shows.
Route::get('/user/{token}', static function (Request $request, string $token): Response {
    echo "echoed {$request->cookie('user')} ";
    ob_start();
    echo 'in a buffer that nobody closes ';
    if (crc32($token) % 3 === 0) {
        http_response_code(202);
    }
    return Response::text("$token {$request->query('user')} {$request->header('authorization')}");
});

// Talks to the process's own streams, which are nobody's answer.
Route::get('/streams/{token}', static function (string $token): Response {
    fwrite(STDOUT, "to standard output\n");
    fwrite(STDERR, "to standard error\n");
    return Response::text("$token read " . strlen((string) fgets(STDIN)));
});

require __DIR__ . '/state.php';
require __DIR__ . '/exits.php';

// The cache that all workers share.
Route::get('/fill', static function (): Response {
    $value = str_repeat('x', 8 << 20);
    for ($ends = microtime(true) + 0.5; microtime(true) < $ends;) {
        Engine::getInstance()->cacheSet('large', $value);
    }
    return Response::text('full');
});
Route::get('/cache/{key}/{value}', static function (string $key, string $value): Response {
    Engine::getInstance()->cacheSet($key, $value);
    return Response::text('put in ' . getmypid());
});
Route::get('/cache/{key}', static function (string $key): Response {
    return Response::text(Engine::getInstance()->cacheGet($key) . ' in ' . getmypid());
});
