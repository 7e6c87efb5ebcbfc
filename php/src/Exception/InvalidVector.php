<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A vector has another number of elements than its index, one that is not finite, or cannot be read. */
final class InvalidVector extends LygerException
{
    /** @param string|null $value the id whose vector it is, or the number of the row whose id can't be read */
    public static function because(string $reason, ?string $value = null): self
    {
        return new self($reason, null, $value);
    }
}
