<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A cache entry exceeds what the whole cache may hold. */
final class CacheValueTooLarge extends LygerException
{
    public static function of(int $bytes, int $bytesMax): self
    {
        return new self("the entry has $bytes bytes, the cache holds at most $bytesMax (cache.bytes_max)");
    }
}
