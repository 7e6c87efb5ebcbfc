<?php

declare(strict_types=1);

namespace Lyger\Core;

use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;

/**
 * The cache as an array. Keys and values together have at most cache.bytes_max bytes: beyond it, what was unused for
 * longest goes.
 */
final class PhpCache
{
    private const KEY_BYTES_MAX = 65_536;

    /** @var array<string, string> the one unused for longest comes first; a prefix keeps PHP from making keys integers */
    private array $values = [];
    private int $bytes = 0;

    public function __construct(private readonly int $bytesMax)
    {
    }

    public function store(string $key, string $value): void
    {
        $bytes = strlen(self::key($key)) - 1 + strlen($value);
        if ($bytes > $this->bytesMax) {
            throw CacheValueTooLarge::of($bytes, $this->bytesMax);
        }
        $this->remove($key);
        $this->values[self::key($key)] = $value;
        $this->bytes += $bytes;
        while ($this->bytes > $this->bytesMax) {
            $this->remove(substr((string) array_key_first($this->values), 1));
        }
    }

    public function fetch(string $key): ?string
    {
        $at = self::key($key);
        $value = $this->values[$at] ?? null;
        if ($value !== null) {
            unset($this->values[$at]);
            $this->values[$at] = $value;
        }
        return $value;
    }

    public function remove(string $key): bool
    {
        $at = self::key($key);
        if (!isset($this->values[$at])) {
            return false;
        }
        $this->bytes -= strlen($at) - 1 + strlen($this->values[$at]);
        unset($this->values[$at]);
        return true;
    }

    public function purge(): void
    {
        $this->values = [];
        $this->bytes = 0;
    }

    public function count(): int
    {
        return count($this->values);
    }

    private static function key(string $key): string
    {
        if (strlen($key) > self::KEY_BYTES_MAX) {
            throw InvalidArgument::because('key has ' . strlen($key) . ' bytes and may have ' . self::KEY_BYTES_MAX);
        }
        return "k$key";
    }
}
