<?php

declare(strict_types=1);

namespace Lyger\Exception;

use Psr\Cache\CacheException as Psr6;
use Psr\SimpleCache\CacheException as Psr16;

/** What a cache has under a key can't be read here: by what it was written, or because of the classes in it. */
final class CacheValueUnreadable extends LygerException implements Psr6, Psr16
{
    public static function because(string $reason, ?string $value = null): self
    {
        return new self("a value of the cache can't be read: $reason", null, $value);
    }
}
