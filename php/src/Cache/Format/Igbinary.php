<?php

declare(strict_types=1);

namespace Lyger\Cache\Format;

use Lyger\Exception\CacheValueUnreadable;

/**
 * What classes igbinary's bytes name, found without making an object: igbinary_unserialize() takes no list of
 * classes.
 *
 * Its tokens mean the same wherever they stand, so they are gone through one by one, also those that it would never
 * reach. What is not one of its tokens is refused, as are empty strings with a length: it has a token for them.
 *
 * @internal
 */
final class Igbinary
{
    private const HEADER_BYTES = 4;

    /** Tokens that begin an object: only bytes with one of them can have any. */
    private const OBJECTS = "\x17\x18\x19\x1a\x1b\x1c";

    /** Bytes behind the token; null, booleans, an empty string, a reference's mark and an enum's case have none. */
    private const FIXED = [
        0x00 => 0, 0x04 => 0, 0x05 => 0, 0x0d => 0, 0x25 => 0, 0x27 => 0,
        // References to what was there before: to arrays, to objects, to strings.
        0x01 => 1, 0x02 => 2, 0x03 => 4, 0x22 => 1, 0x23 => 2, 0x24 => 4, 0x0e => 1, 0x0f => 2, 0x10 => 4,
        // Integers, and a double.
        0x06 => 1, 0x07 => 1, 0x08 => 2, 0x09 => 2, 0x0a => 4, 0x0b => 4, 0x20 => 8, 0x21 => 8, 0x0c => 8,
        // How many elements an array has: they follow.
        0x14 => 1, 0x15 => 2, 0x16 => 4,
    ];

    /** Tokens with a length, of so many bytes, and what has it: strings, classes, objects with their own code. */
    private const STRINGS = [0x11 => 1, 0x12 => 2, 0x13 => 4];
    private const CLASSES = [0x17 => 1, 0x18 => 2, 0x19 => 4];
    private const OWN_CODE = [0x1d => 1, 0x1e => 2, 0x1f => 4];

    /** An object of a class that was named before, as the number of its string. */
    private const NAMED_CLASSES = [0x1a => 1, 0x1b => 2, 0x1c => 4];

    private int $at = self::HEADER_BYTES;

    private function __construct(private readonly string $bytes)
    {
    }

    /** @return list<string> */
    public static function classes(string $bytes): array
    {
        return \strpbrk($bytes, self::OBJECTS) === false ? [] : (new self($bytes))->walk();
    }

    /** @return list<string> */
    private function walk(): array
    {
        [$strings, $classes] = [[], []];
        $end = \strlen($this->bytes);
        while ($this->at < $end) {
            $token = \ord($this->bytes[$this->at++]);
            if (isset(self::FIXED[$token])) {
                $this->at += self::FIXED[$token];
            } elseif (isset(self::STRINGS[$token])) {
                $strings[] = $this->text(self::STRINGS[$token]);
            } elseif (isset(self::CLASSES[$token])) {
                $strings[] = $classes[] = $this->text(self::CLASSES[$token]);
            } elseif (isset(self::NAMED_CLASSES[$token])) {
                $classes[] = $strings[$this->number(self::NAMED_CLASSES[$token])] ?? throw $this->unreadable();
            } elseif (isset(self::OWN_CODE[$token])) {
                $this->text(self::OWN_CODE[$token]);
            } else {
                throw $this->unreadable();
            }
        }
        return $this->at === $end ? \array_values(\array_unique($classes)) : throw $this->unreadable();
    }

    private function number(int $width): int
    {
        $bytes = \substr($this->bytes, $this->at, $width);
        $this->at += $width;
        if (\strlen($bytes) !== $width) {
            throw $this->unreadable();
        }
        return (int) \hexdec(\bin2hex($bytes));
    }

    private function text(int $width): string
    {
        $length = $this->number($width);
        $text = \substr($this->bytes, $this->at, $length);
        $this->at += $length;
        return $length > 0 && \strlen($text) === $length ? $text : throw $this->unreadable();
    }

    private function unreadable(): CacheValueUnreadable
    {
        return CacheValueUnreadable::because("these are not igbinary's bytes, at byte {$this->at}");
    }
}
