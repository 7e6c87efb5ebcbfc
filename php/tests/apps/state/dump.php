<?php

declare(strict_types=1);

/**
 * What a handler sees of its request, in a form that two servers can be compared by.
 *
 * @return array<string, mixed>
 */
function dump_superglobals(): array
{
    $files = $_FILES;
    array_walk_recursive($files, static function (mixed &$value): void {
        if (is_string($value) && is_file($value)) {
            $value = ['content' => base64_encode((string) file_get_contents($value)), 'mode' => fileperms($value)];
        }
    });
    $compared = '/^(HTTP_|CONTENT_|REQUEST_[MU]|QUERY_|PHP_AUTH|REMOTE_ADDR|SERVER_P)/';
    $server = array_intersect_key($_SERVER, array_flip(preg_grep($compared, array_keys($_SERVER))));
    unset($server['SERVER_PORT'], $server['HTTP_HOST'], $server['HTTP_CONNECTION']);
    ksort($server);
    return [
        'get' => $_GET,
        'post' => $_POST,
        'cookie' => $_COOKIE,
        'files' => $files,
        'request' => $_REQUEST,
        'server' => array_filter($server, static fn (mixed $value): bool => $value !== ''),
        'types' => [gettype($_SERVER['REQUEST_TIME']), gettype($_SERVER['REQUEST_TIME_FLOAT'])],
    ];
}

/**
 * PHP's own state, as far as it is put back after each request.
 *
 * @return array<string, mixed>
 */
function dump_state(): array
{
    $error = set_error_handler(null);
    restore_error_handler();
    $exception = set_exception_handler(null);
    restore_exception_handler();
    return [
        'superglobals' => [$_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST, $_SERVER['REQUEST_URI'] ?? null],
        'session' => [session_status(), session_id(), $_SESSION ?? null],
        'locale' => setlocale(LC_ALL, '0'),
        'zone' => date_default_timezone_get(),
        'handlers' => [get_debug_type($error), get_debug_type($exception)],
        'level' => error_reporting(),
        'settings' => array_map(ini_get(...), [
            'memory_limit', 'max_execution_time', 'display_errors', 'include_path', 'precision', 'serialize_precision',
        ]),
        'encoding' => mb_internal_encoding(),
        'xml' => [libxml_use_internal_errors(), libxml_get_errors()],
        'mask' => umask(),
        'folder' => getcwd(),
        'error' => error_get_last(),
        'buffers' => ob_get_level(),
        'status' => http_response_code(),
    ];
}
