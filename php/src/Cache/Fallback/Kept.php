<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Cache\Expiry;
use Lyger\Exception\CacheValueTooLarge;

/**
 * Locks and counters in an array, which nothing evicts.
 *
 * @internal
 */
final class Kept
{
    /** More names at once are a mistake, such as a lock for each value; there is memory for these. */
    private const NAMES_MAX = 100_000;

    /** @var array<string, array{int, int}> token or count, and when it ends */
    private array $records = [];
    private int $lastToken = 0;

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
            unset($this->records[$name]);
        }
        return $held;
    }

    public function extend(string $name, int $token, int $ttlMs): bool
    {
        $held = $this->holder($name) === $token;
        if ($held) {
            $this->records[$name][1] = Expiry::now() + $ttlMs;
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
        unset($this->records[$name]);
    }

    /** @return array{int, int}|null */
    private function record(string $name): ?array
    {
        $record = $this->records[$name] ?? null;
        return $record === null || $record[1] <= Expiry::now() ? null : $record;
    }

    private function put(string $name, int $number, int $endsAt): void
    {
        if (!isset($this->records[$name]) && count($this->records) >= self::NAMES_MAX) {
            $now = Expiry::now();
            $this->records = array_filter($this->records, static fn (array $record): bool => $record[1] > $now);
            if (count($this->records) >= self::NAMES_MAX) {
                throw CacheValueTooLarge::ofNames(self::NAMES_MAX);
            }
        }
        $this->records[$name] = [$number, $endsAt];
    }

    /** The time in microseconds, and never one that was given. */
    private function token(): int
    {
        return $this->lastToken = max($this->lastToken + 1, (int) (microtime(true) * 1e6));
    }
}
