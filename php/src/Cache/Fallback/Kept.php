<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Closure;
use Lyger\Cache\Expiry;
use Lyger\Exception\CacheValueTooLarge;

/**
 * Locks or counters in an array, which nothing evicts: a share of what the cache has for such, so that none can take
 * the others' room. It is counted as the engine counts it, so about as many have room, and the same in stats().
 *
 * @internal
 */
final class Kept
{
    /** All shares have this part of cache.bytes_max, and at least so many bytes; of a share, three quarters are used. */
    private const PART = 4;
    private const BYTES_MIN = 4 << 20;
    private const SHARES = 8;
    /** What a record has beside its name: a head, a number and a time. */
    private const RECORD_BYTES = 29;

    /** @var array<string, array{int, int}> token or count, and when it ends; a prefix keeps PHP from making names integers */
    private array $records = [];
    private int $bytes = 0;
    private int $lastToken = 0;
    /** When the first record ends, or earlier: before that a search for some that have ended finds none. */
    private int $firstEndsAt = PHP_INT_MAX;

    /**
     * @param string $what it has, for who finds it full
     * @param int $shares how many eighths of all
     * @param Closure(): int $cacheBytesMax asked at the first use
     */
    public function __construct(
        private readonly string $what,
        private readonly int $shares,
        private readonly Closure $cacheBytesMax,
    ) {
    }

    public function bytes(): int
    {
        return $this->bytes;
    }

    public function bytesMax(): int
    {
        $all = max(self::BYTES_MIN, intdiv(($this->cacheBytesMax)(), self::PART));
        return intdiv($all * 3 * $this->shares, 4 * self::SHARES);
    }

    public function lock(string $name, int $ttlMs): ?int
    {
        if ($this->record($name) !== null) {
            return null;
        }
        $this->put($name, $token = $this->token(), Expiry::now() + $ttlMs);
        return $token;
    }

    public function unlock(string $name, int $token): bool
    {
        $held = $this->holder($name) === $token;
        if ($held) {
            $this->forget($name);
        }
        return $held;
    }

    public function extend(string $name, int $token, int $ttlMs): bool
    {
        $held = $this->holder($name) === $token;
        if ($held) {
            $this->put($name, $token, Expiry::now() + $ttlMs);
        }
        return $held;
    }

    public function holder(string $name): ?int
    {
        return $this->record($name)[0] ?? null;
    }

    /** @return array{int, int} */
    public function count(string $name, int $windowMs): array
    {
        [$count, $endsAt] = $this->record($name) ?? [0, Expiry::now() + $windowMs];
        $this->put($name, $count + 1, $endsAt);
        return [$count + 1, $endsAt];
    }

    /** @return array{int, int} */
    public function read(string $name): array
    {
        return $this->record($name) ?? [0, 0];
    }

    public function forget(string $name): void
    {
        if (isset($this->records["k$name"])) {
            unset($this->records["k$name"]);
            $this->bytes -= self::weight($name);
        }
    }

    /** @return array{int, int}|null */
    private function record(string $name): ?array
    {
        $record = $this->records["k$name"] ?? null;
        return $record === null || $record[1] <= Expiry::now() ? null : $record;
    }

    private function put(string $name, int $number, int $endsAt): void
    {
        if (!isset($this->records["k$name"])) {
            $fits = fn (): bool => $this->bytes + self::weight($name) <= $this->bytesMax();
            $fits() || $this->sweep();
            $fits() || throw CacheValueTooLarge::ofShare($this->what, $this->bytesMax());
            $this->bytes += self::weight($name);
        }
        $this->records["k$name"] = [$number, $endsAt];
        $this->firstEndsAt = min($this->firstEndsAt, $endsAt);
    }

    /** Takes out what has ended, if there is any. */
    private function sweep(): void
    {
        $now = Expiry::now();
        if ($this->firstEndsAt > $now) {
            return;
        }
        $this->firstEndsAt = PHP_INT_MAX;
        foreach ($this->records as $at => [, $endsAt]) {
            if ($endsAt <= $now) {
                $this->forget(substr($at, 1));
            } else {
                $this->firstEndsAt = min($this->firstEndsAt, $endsAt);
            }
        }
    }

    /** In units of eight bytes, as in the engine's table. */
    private static function weight(string $name): int
    {
        return (strlen($name) + self::RECORD_BYTES + 7) & ~7;
    }

    /** The time in microseconds, and never one that was given. */
    private function token(): int
    {
        return $this->lastToken = max($this->lastToken + 1, (int) (microtime(true) * 1e6));
    }
}
