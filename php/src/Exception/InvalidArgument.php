<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A value that the engine does not take: too long, not UTF-8, out of range. */
final class InvalidArgument extends LygerException
{
    public static function because(string $reason, ?string $value = null): self
    {
        return new self($reason, null, $value);
    }
}
