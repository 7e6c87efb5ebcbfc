<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Cache\SessionHandler;
use Lyger\Config;
use Lyger\Exception\InvalidConfig;
use Lyger\Http\Cookie;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Throwable;
use WeakReference;

/**
 * Ends PHP's session with the request that started it. PHP's command line throws away the headers that sessions send,
 * so the cookie and the rules for caches are put into the answer here.
 */
final class Session
{
    /** The settings, where sessions are kept in the cache; null leaves them to php.ini and the application. */
    private static ?Config $inCache = null;
    /** @var WeakReference<SessionHandler>|null of what PHP alone has: it goes when another one is set in its place */
    private static ?WeakReference $handler = null;
    /** @var array<string, string> what the boot has left of PHP's settings of sessions, by name */
    private static array $settings = [];
    /** The kind of handler that the boot has left, as PHP names it; '' where this PHP has no sessions. */
    private static string $module = '';
    private static bool $wasOpen = false;
    /** Whether a client's session may ever have been wanted: applications without any don't pay for looking after them. */
    private static bool $isUsed = false;
    /** A session that PHP can't be made to forget: the next visitor's, if there were one. */
    private static bool $isLeft = false;

    /** Has sessions kept where `session.store` says, from the boot on. */
    public static function keep(Config $config): void
    {
        if (ini_get('session.auto_start')) {
            $why = 'is on: PHP has started a session for the process, and all visitors would share it. Switch it off';
            throw InvalidConfig::at('session.auto_start in php.ini', $why);
        }
        foreach (extension_loaded('session') ? ini_get_all('session') : [] as $name => ['access' => $access]) {
            if (($access & INI_USER) !== 0 && $name !== 'session.save_handler') {
                self::$settings[$name] = (string) ini_get($name);
            }
        }
        self::$inCache = $config->text('session.store') === 'cache' ? $config : null;
        self::$isUsed = self::$inCache !== null;
        if (self::$inCache !== null && !extension_loaded('session')) {
            throw InvalidConfig::at('session.store', 'is cache, and this PHP has no sessions (the extension session)');
        }
        self::$module = extension_loaded('session') ? (string) session_module_name() : '';
        if (self::$inCache !== null && self::$module === 'user') {
            error_log('session.store = cache: the session handler that the application has set is not used');
        }
        self::renew();
    }

    /** A handler that knows nothing of a request before. */
    private static function renew(): void
    {
        // After output of its own a PHP process can set none, and start no session: see isStuck().
        if (headers_sent()) {
            return;
        }
        if (self::$inCache === null) {
            if (self::isReplaced()) {
                session_module_name(self::$module);
            }
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
        self::$handler = WeakReference::create($handler);
        // Written by PHP's shutdown where a fatal error ends the worker.
        session_set_save_handler($handler, true);
    }

    /** The boot's settings and the cache's handler, where a request without a session has set others. */
    public static function putBack(): void
    {
        if (headers_sent()) {
            return;
        }
        if (self::isReplaced()) {
            self::renew();
        }
        if (!self::$isUsed) {
            return;
        }
        if (self::isEncodable()) {
            self::forget(); // of a session whose id and $_SESSION the request has taken away by itself
        }
        foreach (self::$settings as $name => $value) {
            if (\ini_get($name) !== $value) {
                ini_set($name, $value);
            }
        }
    }

    private static function isReplaced(): bool
    {
        if (self::$handler !== null) {
            return self::$handler->get() === null || session_module_name() !== 'user';
        }
        // An application's own can't be put back: PHP tells nobody which one it has.
        return !in_array(self::$module, ['', 'user'], true) && session_module_name() !== self::$module;
    }

    /** Whether a handler, or a setting of sessions, is not what the boot has left. */
    public static function isChanged(): bool
    {
        foreach (self::$settings as $name => $value) {
            if (\ini_get($name) !== $value) {
                return true;
            }
        }
        return self::isReplaced();
    }

    /**
     * Whether no session can be had here any more, because a request has written to PHP's own output; or, worse, that
     * of a request that has ended can't be forgotten. A worker takes no request any more then.
     */
    public static function isStuck(): bool
    {
        return self::$isLeft || headers_sent() && (self::$inCache !== null || self::$wasOpen || self::isOpen());
    }

    /**
     * Lets session_start() continue the client's session.
     *
     * @param array<string, mixed> $cookies
     */
    public static function begin(array $cookies): void
    {
        if (extension_loaded('session')) {
            self::$isUsed = true;
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
        self::$isUsed = self::$wasOpen = true;
        try {
            if (session_status() === PHP_SESSION_ACTIVE) {
                session_write_close();
            }
        } finally {
            // Also of one that couldn't be written: the id that the client has may be no session's any more.
            if ($id !== '' && $request !== null && $response !== null) {
                self::tell($id, $request, $response);
            }
            // First: what the request has set may fail, or keep what it is given.
            self::renew();
            self::forget();
        }
    }

    /** PHP has its own reference to what $_SESSION was, and session_encode() shows it to whoever asks. */
    private static function forget(): void
    {
        try {
            $_SESSION = null;
            if (self::isEncodable()) {
                // The request has put another variable in its place. Only the start of a session makes PHP let go.
                $isBegun = @session_id((string) session_create_id()) !== false
                    && @session_start(['use_cookies' => '0', 'cache_limiter' => '']);
                $_SESSION = null;
                if ($isBegun) {
                    session_destroy();
                }
                self::$isLeft = self::isEncodable();
            }
        } catch (Throwable $exception) {
            self::$isLeft = true;
            error_log(Runner::oneLine("a session can't be forgotten: $exception"));
        } finally {
            unset($_SESSION);
            // Or session_start() would take it up again for whoever comes next.
            @session_id('');
        }
    }

    private static function isEncodable(): bool
    {
        // It warns where there is nothing, which is the rule.
        set_error_handler(static fn (): bool => true);
        try {
            return session_encode() !== false;
        } catch (Throwable) {
            return true; // there is something, and it can't be serialized
        } finally {
            restore_error_handler();
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
