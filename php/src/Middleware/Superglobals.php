<?php

declare(strict_types=1);

namespace Lyger\Middleware;

use Lyger\Http\Multipart;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Http\ServerParams;
use Lyger\Server\Session;

/**
 * Fills $_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST and $_SERVER as FPM does, for handlers that ask for it: as a
 * middleware of a route, of a group or of the whole application. The server empties them again after the request.
 *
 *     $router->group('/old', fn (Router $router) => require __DIR__ . '/old.php', [Superglobals::class]);
 *
 * What PHP keeps from everybody but a web server's own interface to it, and what to use instead:
 *
 * - is_uploaded_file() and move_uploaded_file() know no uploads: rename() the file, whose name is the server's. It is
 *   removed after the request otherwise.
 * - php://input is empty: Request::body().
 * - header() and setcookie() are lost, headers_list() is empty: Response::setHeader(), Response::setCookie(). Sessions,
 *   their cookie and http_response_code() do work; a session's name is the boot's to choose, by session_name().
 */
final class Superglobals implements Middleware
{
    /** @param string $documentRoot for DOCUMENT_ROOT and SCRIPT_FILENAME; the working directory when empty */
    public function __construct(private readonly string $documentRoot = '')
    {
    }

    public function handle(Request $request, callable $next): Response
    {
        // Elsewhere PHP has filled them, with more than can be known here.
        if (PHP_SAPI === 'cli') {
            self::fill($request, $this->documentRoot);
        }
        return $next($request);
    }

    private static function fill(Request $request, string $documentRoot): void
    {
        $_SERVER = ServerParams::of($request, $_SERVER, $documentRoot === '' ? (string) getcwd() : $documentRoot);
        $_GET = $request->query();
        $_COOKIE = self::cookies($request->header('cookie') ?? '');
        [$_POST, $_FILES] = self::form($request);
        Session::begin($_COOKIE);
        $_REQUEST = [];
        foreach (str_split(strtoupper(ini_get('request_order') ?: (string) ini_get('variables_order'))) as $letter) {
            $_REQUEST = array_replace($_REQUEST, match ($letter) {
                'G' => $_GET,
                'P' => $_POST,
                'C' => $_COOKIE,
                default => [],
            });
        }
    }

    /** @return array{array<string, mixed>, array<string, mixed>} fields and files */
    private static function form(Request $request): array
    {
        if ($request->method() !== 'POST') {
            return [[], []];
        }
        $type = $request->header('content-type') ?? '';
        if (stripos($type, 'application/x-www-form-urlencoded') === 0) {
            parse_str($request->body(), $fields);
            return [$fields, []];
        }
        return stripos($type, 'multipart/form-data') === 0 ? Multipart::read($type, $request->body()) : [[], []];
    }

    /**
     * By PHP's rules, which Cookie::parse() doesn't share: brackets make arrays, and the first of a name wins.
     *
     * @return array<string, mixed>
     */
    private static function cookies(string $header): array
    {
        $pairs = [];
        foreach (explode(';', $header) as $pair) {
            [$name, $value] = explode('=', ltrim($pair), 2) + [1 => ''];
            // What PHP makes of `..Host-x` would pass for the browser's `__Host-x` (CVE-2022-31629).
            $isForged = !str_starts_with($name, '__')
                && preg_match('/^__(Host|Secure)-/', strtr($name, ' .[', '___')) === 1;
            if ($name !== '' && !$isForged) {
                $pairs[$name] ??= rawurlencode($name) . '=' . rawurlencode(rawurldecode($value));
            }
        }
        parse_str(implode('&', $pairs), $cookies);
        return $cookies;
    }
}
