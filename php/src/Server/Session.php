<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Cache\SessionHandler;
use Lyger\Config;
use Lyger\Exception\InvalidConfig;
use Lyger\Http\Cookie;
use Lyger\Http\Request;
use Lyger\Http\Response;

/**
 * Ends PHP's session with the request that started it. PHP's command line throws away the headers that sessions send,
 * so the cookie and the rules for caches are put into the answer here.
 */
final class Session
{
    /** The settings, where sessions are kept in the cache; null leaves them to php.ini and the application. */
    private static ?Config $inCache = null;

    /** Has sessions kept where `session.store` says, from the boot on. */
    public static function keep(Config $config): void
    {
        self::$inCache = $config->text('session.store') === 'cache' ? $config : null;
        if (self::$inCache !== null && !extension_loaded('session')) {
            throw InvalidConfig::at('session.store', 'is cache, and this PHP has no sessions (the extension session)');
        }
        self::renew();
    }

    /** A handler that knows nothing of a request before, whatever that has put in its place. */
    private static function renew(): void
    {
        // After output of its own a PHP process can start no session any more: a worker is replaced.
        if (self::$inCache === null || headers_sent()) {
            return;
        }
        $ttl = self::$inCache->int('session.ttl_s');
        $handler = new SessionHandler(
            null,
            $ttl === 0 ? null : $ttl,
            self::$inCache->bool('session.lock'),
            self::$inCache->int('session.lock_wait_ms') / 1_000,
            self::$inCache->int('session.lock_ttl_ms') / 1_000,
        );
        // Written by PHP's shutdown where a fatal error ends the worker.
        session_set_save_handler($handler, true);
    }

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
            self::renew();
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
