<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\CacheValueUnreadable;

/**
 * Values that are there and count as missing, because PHP can't make them: said in the log, each reason once in a
 * process.
 *
 * @internal
 */
final class Unreadable
{
    /** So many reasons: a client that writes what it likes must not write the log. */
    private const TOLD_MAX = 16;
    private const SHOWN_BYTES_MAX = 80;

    /** @var array<string, true> */
    private static array $told = [];

    public static function tell(string $key, CacheValueUnreadable $why): void
    {
        $reason = $why->getMessage();
        if (isset(self::$told[$reason]) || \count(self::$told) >= self::TOLD_MAX) {
            return;
        }
        self::$told[$reason] = true;
        $key = \addcslashes(\substr($key, 0, self::SHOWN_BYTES_MAX), "\0..\37\\\177..\377");
        \error_log("Lyger: the value of $key counts as missing: $reason");
    }
}
