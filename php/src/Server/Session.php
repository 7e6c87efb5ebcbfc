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
    private static ?SessionHandler $handler = null;

    /** Has sessions kept where `session.store` says, from the boot on. */
    public static function keep(Config $config): void
    {
        self::$inCache = $config->text('session.store') === 'cache' ? $config : null;
        if (self::$inCache !== null && !extension_loaded('session')) {
            throw InvalidConfig::at('session.store', 'is cache, and this PHP has no sessions (the extension session)');
        }
        if (self::$inCache !== null && session_module_name() === 'user') {
            error_log('session.store = cache: the session handler that the application has set is not used');
        }
        self::renew();
    }

    /** A handler that knows nothing of a request before. */
    private static function renew(): void
    {
        if (self::$inCache === null) {
            return;
        }
        $ttl = self::$inCache->int('session.ttl_s');
        self::$handler = new SessionHandler(
            null,
            $ttl === 0 ? null : $ttl,
            self::$inCache->bool('session.lock'),
            self::$inCache->int('session.lock_wait_ms') / 1_000,
            self::$inCache->int('session.lock_ttl_ms') / 1_000,
        );
        self::putBack();
    }

    /**
     * The cache's handler, whatever a request has put in its place: which one PHP has can't be asked. Where no session
     * was open nobody has written by the other one, and whoever came next would.
     */
    public static function putBack(): void
    {
        // After output of its own a PHP process can set none, and start no session: see isStuck().
        if (self::$handler !== null && !headers_sent()) {
            // Written by PHP's shutdown where a fatal error ends the worker.
            session_set_save_handler(self::$handler, true);
        }
    }

    /**
     * Whether the session of a request that has ended can't be forgotten, because the request has written to PHP's own
     * output: its id would be the next visitor's. A worker takes no request any more then.
     */
    public static function isStuck(): bool
    {
        return headers_sent() && self::isOpen();
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
            $isId = is_string($id) && (self::$inCache === null || SessionHandler::isId($id));
            @session_id($isId ? $id : '');
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
        } finally {
            // Also of one that couldn't be written: the id that the client has may be no session's any more.
            if ($id !== '' && $request !== null && $response !== null) {
                self::tell($id, $request, $response);
            }
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
