<?php

/** An application whose visitors have sessions, kept where `session.store` says. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Async;
use Lyger\Cache\Store;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Middleware\Middleware;
use Lyger\Middleware\Superglobals;

// But for those whose handlers do without superglobals.
$app = Application::create(__DIR__)->middleware(new class implements Middleware {
    public function handle(Request $request, callable $next): Response
    {
        if (str_starts_with($request->path(), '/named/')) {
            session_name('OTHER');
        }
        $isPlain = str_starts_with($request->path(), '/plain/');
        return $isPlain ? $next($request) : (new Superglobals())->handle($request, $next);
    }
});
$router = $app->router();

$count = static function (): array {
    session_start();
    $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
    return ['pid' => getmypid(), 'id' => session_id(), 'session' => $_SESSION];
};
$await = static function (string $key): void {
    while (!Store::default()->has($key)) {
        usleep(1_000);
    }
};

$router->get('/count', static function () use ($count): array {
    Store::default()->increment('asked');
    return $count();
});
// Has the session open until somebody has put the key.
$router->get('/hold/{key}', static function (string $key) use ($count, $await): array {
    $counted = $count();
    $_SESSION['held'] = $key;
    Store::default()->increment('holds');
    $await($key);
    return $counted;
});
// Waits with the session open, as a statement would.
$router->get('/sleepy', static function () use ($count): array {
    $counted = $count();
    Async::sleep(0.005);
    return $counted;
});
$router->get('/put/{key}', static fn (string $key): array => [Store::default()->set($key, 'now')]);
$router->get('/get/{key}', static fn (string $key): array => [Store::default()->get($key)]);
$router->get('/read', static function (): array {
    session_start();
    return $_SESSION;
});
$router->get('/look', static function (): array {
    session_start(['read_and_close' => true]);
    return [$_SESSION, session_status() === PHP_SESSION_NONE];
});
$router->get('/put-binary', static function (): array {
    session_start();
    $_SESSION['binary'] = implode(array_map(chr(...), range(0, 255)));
    return [];
});
$router->get('/get-binary', static function (): array {
    session_start();
    return [bin2hex($_SESSION['binary'])];
});
$router->get('/large/{bytes}', static function (string $bytes): array {
    session_start();
    $_SESSION['large'] = str_repeat('x', (int) $bytes);
    return [];
});
// As frameworks do, whose warnings are exceptions.
$router->get('/large-and-strict', static function (): array {
    set_error_handler(static fn (int $level, string $text) => throw new ErrorException($text, 0, $level));
    session_start();
    $_SESSION['large'] = str_repeat('x', 70_000);
    return [];
});
$router->get('/regenerate', static function (): array {
    session_start();
    $old = session_id();
    session_regenerate_id(true);
    return [$old, session_id()];
});
$router->get('/destroy', static function (): array {
    session_start();
    return [session_destroy()];
});
$router->get('/throw', static function () use ($count): never {
    $count();
    throw new RuntimeException('after session_start()');
});
$router->get('/fatal', static function () use ($count): never {
    $count();
    eval('class Twice {} class Twice {}');
    exit;
});
$router->get('/die', static function () use ($count): never {
    $count();
    posix_kill((int) getmypid(), SIGKILL);
    exit;
});
// Replaces the handler for itself.
$router->get('/own-handler', static function (): array {
    session_set_save_handler(new class extends SessionHandler {
        public function read(string $id): string
        {
            return 'count|i:1000;';
        }
    }, true);
    session_start();
    return [$_SESSION];
});
// Replaces it and starts no session, as constructors of frameworks do; or names another kind of handler.
$other = static function (): void {
    session_set_save_handler(new class implements SessionHandlerInterface {
        public function open(string $path, string $name): bool
        {
            return true;
        }

        public function close(): bool
        {
            return true;
        }

        public function read(string $id): string
        {
            return 'count|i:1000;';
        }

        public function write(string $id, string $data): bool
        {
            return true;
        }

        public function destroy(string $id): bool
        {
            return true;
        }

        public function gc(int $max_lifetime): int
        {
            return 0;
        }
    });
};
$router->get('/own-handler-unused', static function () use ($other): array {
    $other();
    return [];
});
// The same, and waits, as for a statement: others might run.
$router->get('/plain/own-handler', static function () use ($other): array {
    $other();
    Async::sleep(0.5);
    return [];
});
$router->get('/named/count', $count);
$router->get('/plain/settings', static function (): array {
    session_name('EVIL');
    session_set_cookie_params(['path' => '/evil']);
    ini_set('session.serialize_handler', 'php_serialize');
    ini_set('session.cache_limiter', 'public');
    ini_set('session.gc_maxlifetime', '1');
    return [];
});
$router->get('/plain/encode', static fn (): array => [@session_encode(), isset($_SESSION)]);
// Though PHP's manual asks not to.
$router->get('/unset', static function () use ($count): array {
    $counted = $count();
    session_write_close();
    unset($_SESSION);
    return $counted;
});
$router->get('/alias', static function () use ($count): array {
    $counted = $count();
    $mine = ['mine' => 1];
    $_SESSION = &$mine;
    return $counted;
});
// Its array holds what can't be serialized, out of sight.
$router->get('/unserializable', static function () use ($count): array {
    $counted = $count();
    $_SESSION['closure'] = static fn (): int => 1;
    unset($_SESSION);
    return $counted;
});
$router->get('/tidy', static function () use ($count): array {
    $counted = $count();
    session_write_close();
    session_id('');
    unset($_SESSION);
    return $counted;
});
$router->get('/unserializable-own', static function () use ($count): array {
    session_set_save_handler(new class extends SessionHandler {
        public function read(string $id): string
        {
            throw new RuntimeException('of another request');
        }
    }, true);
    unset($_SESSION);
    return $count();
});
$router->get('/plain/stranger', static fn (): array => [session_id(), session_start(), $_SESSION]);
$router->get('/plain/flush', static function (): array {
    while (ob_get_level() > 0) {
        ob_end_clean();
    }
    echo "to the terminal\n";
    flush();
    return [];
});
$router->get('/own-module-unused', static fn (): array => [session_module_name('files')]);
// As scripts do that send a file: what they write is PHP's own output, and headers are sent from then on.
$router->get('/flush', static function () use ($count): array {
    $count();
    while (ob_get_level() > 0) {
        ob_end_clean();
    }
    echo "to the terminal\n";
    flush();
    return [];
});
$router->get('/whose', static fn (): array => [session_id(), session_start(), session_id()]);
$router->get('/regenerate-and-fail', static function (): array {
    session_start();
    session_regenerate_id(true);
    $_SESSION['unwritable'] = static fn (): int => 1;
    return [session_id()];
});
// More than the cache holds, of keys that are read now and then.
$router->get('/press', static function (): array {
    for ($n = 0; $n < 4_000; $n++) {
        Store::default()->set("press $n", str_repeat('x', 1_000));
        Store::default()->get('press ' . intdiv($n, 2));
    }
    Store::default()->clear();
    return [Store::default()->stats()['evictions']];
});
// Until none has room, wherever it lies.
$router->get('/fill-wholly', static function (): array {
    $sessions = Store::default()->sessions();
    [$n, $kept] = [0, 0];
    foreach ([50_000, 5_000, 500, 50, 0] as $bytes) {
        for ($refused = 0; $refused < 500;) {
            try {
                $sessions->write('visitor' . $n++, 0, str_repeat('x', $bytes), 3_600_000);
                [$kept, $refused] = [$kept + 1, 0];
            } catch (Lyger\Exception\CacheValueTooLarge) {
                $refused++;
            }
        }
    }
    return [$kept];
});
// Sessions of other visitors until no more have room.
$router->get('/fill', static function (): array {
    $sessions = Store::default()->sessions();
    try {
        for ($n = 0; $n < 100_000; $n++) {
            $sessions->write("visitor$n", 0, str_repeat('x', 50_000), 3_600_000);
        }
        return ['none was refused'];
    } catch (Lyger\Exception\CacheValueTooLarge $full) {
        for ($n = 0; $n < 200_000; $n++) {
            try {
                $sessions->write("small$n", 0, '', 3_600_000);
            } catch (Lyger\Exception\CacheValueTooLarge) {
                break;
            }
        }
        $lock = Store::default()->lock('job', 60);
        return [$full->getMessage(), $lock !== null, Store::default()->rateLimit('login', 5, 60)->isAllowed()];
    }
});

return $app;
