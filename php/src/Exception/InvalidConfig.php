<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A setting that does not exist or has an impossible value; the message begins with its place, where that is known. */
final class InvalidConfig extends LygerException
{
    /** @param string|null $nearest what may have been meant */
    public static function unknown(string $name, ?string $nearest = null, string $place = ''): self
    {
        $meant = $nearest === null ? '' : ": did you mean $nearest?";
        return new self(self::from($place) . "there is no setting $name$meant", null, $name);
    }

    public static function impossible(string $key, string $value, string $wanted, string $place = ''): self
    {
        return new self(self::from($place) . "$key is \"$value\", but must be $wanted", null, $value);
    }

    /** A configuration that cannot be read. */
    public static function at(string $place, string $problem): self
    {
        return new self(self::from($place) . $problem, null, $place);
    }

    public static function inUse(string $key, int $value): self
    {
        return new self("$key is $value and in use: configure before the first use, or release the engine", null, $key);
    }

    private static function from(string $place): string
    {
        return $place === '' ? '' : "$place: ";
    }
}
