<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A setting that does not exist or has an impossible value. */
final class InvalidConfig extends LygerException
{
    public static function unknown(string $key): self
    {
        return new self("unknown setting \"$key\"", null, $key);
    }

    public static function impossible(string $key, string $value, string $wanted): self
    {
        return new self("$key is \"$value\", but must be $wanted", null, $value);
    }

    public static function inUse(string $key, int $value): self
    {
        return new self("$key is $value and in use: configure before the first use, or release the engine", null, $key);
    }
}
