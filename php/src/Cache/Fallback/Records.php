<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Closure;
use Lyger\Cache\Expiry;
use Lyger\Exception\CacheValueTooLarge;

/**
 * Numbers or texts by name in an array, each for a time, which nothing evicts: a share of what the cache has for such,
 * so that none can take the others' room. It is counted as the engine counts it, so about as many have room, and the
 * same in stats().
 *
 * @internal
 */
final class Records
{
    /** A shard has this part of cache.bytes_max, in these bounds; three quarters of it are used. */
    private const SHARD_PART = 32;
    private const SHARD_BYTES_MIN = 512 << 10;
    private const SHARD_BYTES_MAX = 64 << 20;
    /** What a record has beside its name and its text: a head and a time. */
    private const HEAD_BYTES = 21;
    private const NUMBER_BYTES = 8;

    /** @var array<string, array{int|string, int}> and when it ends; a prefix keeps PHP from making names integers */
    private array $records = [];
    private int $bytes = 0;
    /** When the first record ends, or earlier: before that a search for some that have ended finds none. */
    private int $firstEndsAt = PHP_INT_MAX;

    /**
     * @param string $what it has, for who finds it full
     * @param int $shards that the engine has for such
     * @param Closure(): int $cacheBytesMax asked at the first use
     */
    public function __construct(
        private readonly string $what,
        private readonly int $shards,
        private readonly Closure $cacheBytesMax,
    ) {
    }

    public function bytes(): int
    {
        return $this->bytes;
    }

    public function bytesMax(): int
    {
        $shard = intdiv(($this->cacheBytesMax)(), self::SHARD_PART);
        return intdiv(3 * $this->shards * max(self::SHARD_BYTES_MIN, min($shard, self::SHARD_BYTES_MAX)), 4);
    }

    /** @return array{int|string, int}|null */
    public function find(string $name): ?array
    {
        $record = $this->records["k$name"] ?? null;
        return $record === null || $record[1] <= Expiry::now() ? null : $record;
    }

    public function put(string $name, int|string $value, int $endsAt): void
    {
        $more = self::weight($name, $value) - $this->weightOf($name);
        if ($more > 0 && $this->bytes + $more > $this->bytesMax()) {
            $this->sweep();
            // What was under the name may have ended, too.
            $more = self::weight($name, $value) - $this->weightOf($name);
            if ($this->bytes + $more > $this->bytesMax()) {
                throw CacheValueTooLarge::ofShare($this->what, $this->bytesMax());
            }
        }
        $this->bytes += $more;
        $this->records["k$name"] = [$value, $endsAt];
        $this->firstEndsAt = min($this->firstEndsAt, $endsAt);
    }

    public function forget(string $name): void
    {
        $this->bytes -= $this->weightOf($name);
        unset($this->records["k$name"]);
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

    private function weightOf(string $name): int
    {
        return isset($this->records["k$name"]) ? self::weight($name, $this->records["k$name"][0]) : 0;
    }

    /** In units of eight bytes, as in the engine's table. */
    private static function weight(string $name, int|string $value): int
    {
        $bytes = is_int($value) ? self::NUMBER_BYTES : strlen($value);
        return (strlen($name) + $bytes + self::HEAD_BYTES + 7) & ~7;
    }
}
