<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

/**
 * How things are named on a Redis: as rust/cache/remote/keys.rs has it.
 *
 * @internal
 */
final class RedisNames
{
    private const BESIDE = "\0lyger";
    /** A cluster has so many hash slots. */
    private const SLOTS = 16_384;
    private const HASH_TAG = '/^[^{]*\{([^}]+)\}/';

    public function __construct(private readonly string $prefix)
    {
    }

    /** Whether a text can stand before all keys: with an open `{` in it, a lock would be in another slot than its key. */
    public static function isPrefix(string $text): bool
    {
        return !str_contains($text, "\0") && (!str_contains($text, '{') || preg_match(self::HASH_TAG, $text) === 1);
    }

    /** A value's name on the server; null for a key that could be a lock's. */
    public function name(string $key): ?string
    {
        return str_starts_with($key, self::BESIDE) ? null : $this->prefix . $key;
    }

    public function key(string $name): string
    {
        return substr($name, strlen($this->prefix));
    }

    public function beside(string $kind, string $name): string
    {
        return $this->prefix . self::BESIDE . ":$kind:{" . self::tag($this->prefix . $name) . "}$name";
    }

    public function isBeside(string $name): bool
    {
        return str_starts_with($this->key($name), self::BESIDE);
    }

    /** Of SCAN, for all names with the prefix. */
    public function pattern(): string
    {
        return addcslashes($this->prefix, '*?[]\\') . '*';
    }

    /** What hashes to the slot of a cluster that a value of the name has. */
    private static function tag(string $name): string
    {
        if (preg_match(self::HASH_TAG, $name, $match) === 1) {
            return $match[1];
        }
        if ($name !== '' && !str_contains($name, '}')) {
            return $name;
        }
        $slot = self::crc16($name) % self::SLOTS;
        for ($number = 0; self::crc16((string) $number) % self::SLOTS !== $slot; $number++) {
        }
        return (string) $number;
    }

    /** CRC-16/XMODEM. */
    private static function crc16(string $bytes): int
    {
        $crc = 0;
        for ($at = 0; $at < strlen($bytes); $at++) {
            $crc ^= ord($bytes[$at]) << 8;
            for ($bit = 0; $bit < 8; $bit++) {
                $crc = ($crc & 0x8000) === 0 ? $crc << 1 : ($crc << 1 ^ 0x1021) & 0xffff;
            }
        }
        return $crc;
    }
}
