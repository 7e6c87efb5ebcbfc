<?php

declare(strict_types=1);

namespace Lyger\Exception;

use Psr\Cache\CacheException as Psr6;
use Psr\SimpleCache\CacheException as Psr16;

/** The server of a cache refuses, in its own words. */
final class CacheFailed extends LygerException implements Psr6, Psr16
{
    public static function because(string $reason): self
    {
        return new self("the cache refuses: $reason");
    }
}
