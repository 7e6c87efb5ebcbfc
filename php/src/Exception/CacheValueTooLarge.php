<?php

declare(strict_types=1);

namespace Lyger\Exception;

use Psr\Cache\CacheException as Psr6;
use Psr\SimpleCache\CacheException as Psr16;

/** A cache entry exceeds what the whole cache may hold, or what it has for locks, counters and sessions. */
final class CacheValueTooLarge extends LygerException implements Psr6, Psr16
{
    public static function of(int $bytes, int $bytesMax): self
    {
        return new self("the entry has $bytes bytes, the cache holds at most $bytesMax (cache.bytes_max)");
    }

    public static function ofRecord(int $bytes, int $bytesMax): self
    {
        return new self("$bytes bytes are too long: what nothing evicts, such as a session, has at most $bytesMax");
    }

    public static function ofShare(string $what, int $bytesMax): self
    {
        return new self("no more $what have room: those that there are fill the $bytesMax bytes that the cache has for "
            . 'them. Each of them goes when its time is over; a larger cache.bytes_max has room for more');
    }
}
