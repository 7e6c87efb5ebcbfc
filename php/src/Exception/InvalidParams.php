<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A parameter that cannot be bound. */
final class InvalidParams extends LygerException
{
    public static function type(int|string $position, string $type): self
    {
        return new self("parameter $position is of type $type: null, bool, int, float, string and Bytes can be bound");
    }

    public static function because(string $reason): self
    {
        return new self($reason);
    }
}
