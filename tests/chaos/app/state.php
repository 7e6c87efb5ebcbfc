<?php

/** Handlers that leave of each user whatever PHP has room for, and tell what they find of another one. */

declare(strict_types=1);

use Lyger\Http\Response;
use Lyger\Middleware\Superglobals;
use Lyger\Routing\Route;

/**
 * What PHP holds beside the superglobals.
 *
 * @return array<string, mixed>
 */
function php_state(): array
{
    $error = set_error_handler(null);
    restore_error_handler();
    return [
        'locale' => setlocale(LC_ALL, '0'),
        'zone' => date_default_timezone_get(),
        'error handler' => get_debug_type($error),
        'level' => error_reporting(),
        'setting' => ini_get('precision'),
        'mask' => umask(),
        'folder' => getcwd(),
        'encoding' => mb_internal_encoding(),
        'buffers' => ob_get_level(),
        'last error' => error_get_last(),
        'status' => http_response_code(),
    ];
}

/** Leaves this everywhere. */
function leave(string $token): void
{
    ob_start();
    echo "$token in a buffer ";
    setlocale(LC_NUMERIC, 'C.UTF-8');
    date_default_timezone_set('Asia/Tokyo');
    set_error_handler(static fn (): bool => $token === '');
    set_error_handler(null);
    @trigger_error($token);
    error_reporting(E_ERROR);
    ini_set('precision', '5');
    umask(0777);
    chdir('/');
    mb_internal_encoding('EUC-JP');
}

session_save_path(__DIR__);
$boot = null;
// Not at the boot, which has neither a buffer nor a status.
$changed = static function () use (&$boot): array {
    $boot ??= php_state();
    return array_map(json_encode(...), array_diff_assoc(
        array_map(serialize(...), php_state()),
        array_map(serialize(...), $boot),
    ));
};

// Each user says who it is in four ways, and which request of its own is this one and was the one before.
Route::post('/state/{how}/{token}', static function (string $how, string $token) use ($changed): mixed {
    $found = $changed();
    session_start();
    $who = [$_GET['user'], $_POST['user'], $_COOKIE['user'], $_SESSION['user'] ?? $_GET['user'], $_REQUEST['user']];
    if (count(array_unique($who)) !== 1 || count($_GET) !== 3 || count($_POST) !== 1 || count($_COOKIE) !== 2) {
        $found['users'] = [$who, $_GET, $_POST, $_COOKIE];
    }
    if (($_SESSION['token'] ?? '') !== $_GET['before']) {
        $found['session'] = [$_SESSION, $_GET['before']];
    }
    if (getenv('CHAOS_STATE') !== false || ini_get('user_agent') !== '' || isset($_SERVER['foreign'])) {
        $found['environment'] = [getenv('CHAOS_STATE'), ini_get('user_agent'), $_SERVER['foreign'] ?? null];
    }
    if ($found !== []) {
        return Response::json($found, 400);
    }
    $_SESSION = ['user' => $_GET['user'], 'token' => $_GET['token']];
    leave($token);
    ini_set('user_agent', $token);
    putenv("CHAOS_STATE=$token");
    $_SERVER['foreign'] = $_GET['foreign'] = $token;
    return match ($how) {
        'exit' => exit("and then exits $token"),
        'throw' => throw new RuntimeException($token),
        default => Response::text("and then returns $token"),
    };
})->middleware(Superglobals::class);

// Who doesn't ask sees nothing, whoever was here before.
Route::get('/bare/{token}', static function (string $token) use ($changed): Response {
    $found = $changed();
    $all = [$_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST, $_SESSION ?? [], session_id(), $_SERVER['foreign'] ?? []];
    if (array_filter($all) !== [] || isset($_SERVER['REQUEST_URI'])) {
        $found['superglobals'] = $all;
    }
    if ($found !== []) {
        return Response::json($found, 400);
    }
    leave($token);
    return Response::text("and then returns $token");
});
