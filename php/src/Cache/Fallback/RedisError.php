<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Closure;
use Lyger\Exception\CacheFailed;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\LygerException;
use Lyger\Exception\NotANumber;
use Lyger\Exception\Timeout;
use RedisException;

/**
 * What ext-redis and a server say went wrong, as exceptions: of the same classes as rust/cache/remote/error.rs.
 *
 * @internal
 */
final class RedisError
{
    /** A server's errors begin with a word in capitals; so do two of ext-redis's own. */
    private const CODE = '/^(?!AUTH failed|SELECT failed)[A-Z]{2,}\d* /';
    private const NUMBER = '/^ERR (.*(?:not an integer|not a valid float|would overflow|NaN or Infinity).*)$/s';

    /**
     * Runs a call of ext-redis, whose warnings would get out beside its exception.
     *
     * @template T
     * @param Closure(): T $call
     * @param list<string> $warnings what it warned of
     * @return T
     */
    public static function quietly(Closure $call, array &$warnings = []): mixed
    {
        set_error_handler(static function (int $level, string $warning) use (&$warnings): bool {
            $warnings[] = (string) preg_replace('/^Redis::\w+\(\): /', '', $warning);
            return true;
        });
        try {
            return $call();
        } finally {
            restore_error_handler();
        }
    }

    /** What is said in several lines, in one. */
    public static function inOneLine(string $message): string
    {
        return (string) preg_replace('/\s*[\r\n]\s*/', ' ', trim($message));
    }

    public static function isServers(string $message): bool
    {
        return preg_match(self::CODE, $message) === 1;
    }

    public static function of(string $message, string $server): LygerException
    {
        $message = self::inOneLine($message);
        return match (true) {
            preg_match('/^(?:MOVED|ASK) /', $message) === 1 => new InvalidDsn(
                "the cache's DSN is wrong: $server is a node of a cluster, whose DSN begins with redis-cluster://, and "
                . 'over TLS with rediss-cluster://, which need the native engine',
            ),
            preg_match(self::NUMBER, $message, $match) === 1 => new NotANumber($match[1]),
            str_starts_with($message, 'OOM'), str_contains($message, 'exceeds maximum allowed size')
                => new CacheValueTooLarge("the cache is full: $message"),
            preg_match('/^(?:NOAUTH|WRONGPASS) /', $message) === 1 => self::refusedLogin($message, $server),
            default => CacheFailed::because($message),
        };
    }

    public static function refusedLogin(string $message, string $server): ConnectionFailed
    {
        return new ConnectionFailed("the cache at $server refuses the login: $message");
    }

    /**
     * No answer came.
     *
     * @param int $since when it was asked, as hrtime() tells it
     */
    public static function ofConnection(
        RedisException $exception,
        RedisDsn $dsn,
        int $since,
        bool $changesNothing,
    ): LygerException {
        $unknown = $changesNothing ? '' : '; whether it was carried out is unknown';
        $server = $dsn->server();
        if (self::isOver($since, $dsn->timeoutMs())) {
            $reason = "the cache at $server took longer than {$dsn->timeoutMs()} ms$unknown";
            return new Timeout($reason, null, null, $exception);
        }
        $words = self::inOneLine($exception->getMessage());
        $reason = "the connection to the cache at $server broke: $words$unknown";
        return new ConnectionFailed($reason, null, null, $exception);
    }

    /** ext-redis says the same of a server that is late and of one that is gone. */
    public static function isOver(int $since, int $timeoutMs): bool
    {
        // It counts in milliseconds, and may round the last one.
        return intdiv(hrtime(true) - $since, 1_000_000) + 1 >= $timeoutMs;
    }
}
