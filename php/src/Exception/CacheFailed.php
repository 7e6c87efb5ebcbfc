<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The server of a cache refuses, in its own words. */
final class CacheFailed extends LygerException
{
    public static function because(string $reason): self
    {
        return new self("the cache refuses: $reason");
    }
}
