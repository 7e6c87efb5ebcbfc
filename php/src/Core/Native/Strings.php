<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

/**
 * Several strings as one, as the cache's functions for several keys have them: before each its length, 32 bits
 * little-endian.
 *
 * @internal
 */
final class Strings
{
    /** The length of a value that isn't there. */
    private const ABSENT = 0xffff_ffff;

    /** @param list<string> $items */
    public static function pack(array $items): string
    {
        $packed = '';
        foreach ($items as $item) {
            $packed .= \pack('V', \strlen($item)) . $item;
        }
        return $packed;
    }

    /** @return list<?string> */
    public static function unpack(string $packed): array
    {
        $items = [];
        for ($at = 0, $end = \strlen($packed); $at < $end;) {
            $length = \unpack('V', $packed, $at)[1];
            $at += 4;
            if ($length === self::ABSENT) {
                $items[] = null;
            } else {
                $items[] = \substr($packed, $at, $length);
                $at += $length;
            }
        }
        return $items;
    }
}
