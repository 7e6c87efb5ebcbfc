<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Http\Cookie;
use Lyger\Http\Request;
use Lyger\Http\Response;

/**
 * Ends PHP's session with the request that started it. PHP's command line throws away the headers that sessions send,
 * so the cookie and the rules for caches are put into the answer here.
 */
final class Session
{
    /**
     * Lets session_start() continue the client's session.
     *
     * @param array<string, mixed> $cookies
     */
    public static function begin(array $cookies): void
    {
        if (extension_loaded('session')) {
            // PHP reads the cookie by itself only as long as a process has had no session.
            $id = $cookies[(string) session_name()] ?? '';
            @session_id(is_string($id) ? $id : '');
        }
    }

    /** Whether anything of a session is there. */
    public static function isOpen(): bool
    {
        static $exists = null;
        return ($exists ??= extension_loaded('session')) && (session_id() !== '' || isset($_SESSION));
    }

    /** Writes and forgets it, and tells the client its id unless it is what the client sent. */
    public static function end(?Request $request, ?Response $response): void
    {
        $id = isset($_SESSION) ? (string) session_id() : '';
        try {
            if (session_status() === PHP_SESSION_ACTIVE) {
                session_write_close();
            }
            if ($id !== '' && $request !== null && $response !== null) {
                self::tell($id, $request, $response);
            }
        } finally {
            unset($_SESSION);
            // Or session_start() would take it up again for whoever comes next.
            @session_id('');
        }
    }

    private static function tell(string $id, Request $request, Response $response): void
    {
        $name = (string) session_name();
        if (ini_get('session.use_cookies') && $request->cookie($name) !== $id) {
            $params = session_get_cookie_params();
            $response->setCookie(new Cookie(
                $name,
                $id,
                $params['lifetime'] > 0 ? $params['lifetime'] : null,
                $params['path'],
                $params['domain'] === '' ? null : $params['domain'],
                $params['secure'],
                $params['httponly'],
                $params['samesite'],
            ));
        }
        if ($response->header('cache-control') === null) {
            $seconds = 60 * (int) session_cache_expire();
            $rules = match (session_cache_limiter()) {
                'nocache' => 'no-store, no-cache, must-revalidate',
                'private', 'private_no_expire' => "private, max-age=$seconds",
                'public' => "public, max-age=$seconds",
                default => null,
            };
            if ($rules !== null) {
                $response->setHeader('Cache-Control', $rules);
            }
        }
    }
}
