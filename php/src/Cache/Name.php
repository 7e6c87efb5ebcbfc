<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\InvalidArgument;

/**
 * The name of a lock or a rate: any bytes.
 *
 * @internal
 */
final class Name
{
    /** A key has 65,536 bytes at most, and over Redis a name becomes one with a prefix of up to 1,024 before it. */
    private const BYTES_MAX = 64_000;
    private const SHOWN_BYTES_MAX = 80;

    public static function of(string $name): string
    {
        $length = \strlen($name);
        return $length <= self::BYTES_MAX ? $name : throw InvalidArgument::because(
            'the name of a lock or a rate has at most ' . self::BYTES_MAX . " bytes, and not $length",
            \substr($name, 0, self::SHOWN_BYTES_MAX),
        );
    }
}
