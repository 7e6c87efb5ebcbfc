<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A parameter that cannot be bound. */
final class InvalidParams extends LygerException
{
    public static function type(int|string $position, string $type): self
    {
        return self::because("parameter $position: null, bool, int, float, string and Bytes are bound, not $type");
    }

    public static function count(int $expected, int $given): self
    {
        $s = $expected === 1 ? '' : 's';
        return self::because("the statement has $expected placeholder$s, $given given");
    }

    public static function because(string $reason): self
    {
        return new self($reason, '07001');
    }
}
