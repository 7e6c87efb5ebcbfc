<?php

declare(strict_types=1);

namespace Lyger\Exception;

use Psr\Cache\CacheException as Psr6;
use Psr\SimpleCache\CacheException as Psr16;

/** A cache entry exceeds what the whole cache may hold, or what it has for locks and counters. */
final class CacheValueTooLarge extends LygerException implements Psr6, Psr16
{
    public static function of(int $bytes, int $bytesMax): self
    {
        return new self("the entry has $bytes bytes, the cache holds at most $bytesMax (cache.bytes_max)");
    }

    public static function ofNames(int $namesMax): self
    {
        return new self("there are $namesMax locks and counters, and no more have room");
    }
}
