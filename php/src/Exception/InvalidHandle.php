<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A result or request that was freed, answered, or never issued. */
final class InvalidHandle extends LygerException
{
    public static function result(int $result): self
    {
        return new self("result $result does not exist or was freed", null, (string) $result);
    }

    public static function stream(int $stream): self
    {
        return new self("stream $stream does not exist or was closed", null, (string) $stream);
    }
}
