<?php

declare(strict_types=1);

namespace Lyger\Exception;

use Psr\Cache\InvalidArgumentException as Psr6;
use Psr\SimpleCache\InvalidArgumentException as Psr16;

/** A key that a cache does not take. */
final class InvalidCacheKey extends LygerException implements Psr6, Psr16
{
    public static function because(string $reason, ?string $key = null): self
    {
        return new self($reason, null, $key);
    }
}
