<?php

/** An application whose handlers leave state behind, for tests of what is put back between requests. */

declare(strict_types=1);

use Lyger\Application;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Middleware\Superglobals;
use Lyger\Routing\Router;

require_once __DIR__ . '/dump.php';

// What the boot sets is what stays.
set_error_handler(static fn (): bool => false, E_USER_NOTICE);
setlocale(LC_CTYPE, 'C.UTF-8');
date_default_timezone_set('Europe/Rome');
session_save_path((string) getenv('STATE_SESSIONS'));
libxml_use_internal_errors(true);

$app = Application::create(__DIR__);
$router = $app->router();

$router->get('/state', static fn (): array => dump_state());
$router->get('/wide-state', static fn (): array => [getenv('STATE_MARK'), ini_get('user_agent'), session_name()]);
$router->any('/bare', static fn (): array => dump_superglobals());

$dirty = static function (string $how): mixed {
    ob_start();
    ob_start(static fn (string $text): string => strtoupper($text));
    echo 'dirty ';
    http_response_code(202);
    setlocale(LC_ALL, 'C');
    setlocale(LC_NUMERIC, 'C.UTF-8');
    date_default_timezone_set('Asia/Tokyo');
    set_error_handler(static fn (): bool => true);
    set_error_handler(static fn (): bool => true);
    set_exception_handler(static fn (): int => 1);
    error_reporting(E_ERROR);
    set_time_limit(1000);
    foreach (['memory_limit' => '200M', 'display_errors' => '1', 'precision' => '3'] as $setting => $value) {
        ini_set($setting, $value);
    }
    ini_set('serialize_precision', '4');
    set_include_path('/nowhere');
    mb_internal_encoding('EUC-JP');
    simplexml_load_string('<a>');
    libxml_use_internal_errors($how !== 'greedy');
    umask(0777);
    chdir('/');
    if ($how !== 'quiet') {
        // Whatever these hold has more put back.
        $_GET['user'] = $_SERVER['user'] = $_SESSION['user'] = 'foreign';
        session_id('foreign');
    }
    set_error_handler(null);
    @trigger_error('foreign');
    return match ($how) {
        'exit' => exit('exited'),
        'throw' => throw new RuntimeException('dirty'),
        'greedy' => (static function (): string {
            // Takes away what the boot has set.
            for ($i = 0; $i < 5; $i++) {
                restore_error_handler();
                restore_exception_handler();
            }
            return 'greedy';
        })(),
        default => 'returned',
    };
};
$router->get('/dirty/{how}', $dirty);

$router->group('/with', static function (Router $router) use ($dirty): void {
    $router->any('/dump[/{rest:.*}]', static fn (): array => dump_superglobals());
    $router->get('/dirty/{how}', $dirty);
    $router->get('/wide', static function (): string {
        putenv('STATE_MARK=foreign');
        ini_set('user_agent', 'foreign');
        session_name('foreign');
        return 'widely dirty';
    });
    // The paths of the uploads, which a later request looks for.
    $router->post('/upload/{how}', static function (string $how): mixed {
        echo json_encode([
            $_FILES['file']['tmp_name'],
            is_file($_FILES['file']['tmp_name']),
            is_uploaded_file($_FILES['file']['tmp_name']),
        ]);
        return match ($how) {
            'exit' => exit,
            'fatal' => eval('class Twice {} class Twice {}'),
            'keep' => (static function (): void {
                rename($_FILES['file']['tmp_name'], (string) getenv('STATE_SESSIONS') . '/kept');
            })(),
            default => null,
        };
    });
    $router->get('/count', static function (): array {
        session_start();
        $_SESSION['user'] ??= $_GET['user'];
        $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
        return [$_SESSION['user'], $_SESSION['count'], session_id()];
    });
    $router->get('/count-and-exit', static function (): never {
        session_start();
        $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
        exit((string) $_SESSION['count']);
    });
    $router->get('/random', static function (): array {
        mt_srand(1);
        return [mt_rand()];
    });
}, [Superglobals::class]);
$router->get('/random', static fn (): array => [mt_rand()]);

$router->get('/lock/{how}', static function (Request $request, string $how): Response {
    session_id($how);
    session_start();
    return $how === 'throwing' ? throw new RuntimeException('after session_start()') : Response::text('locked');
});

return $app;
