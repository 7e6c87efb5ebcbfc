<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Cache\Expiry;

/**
 * Locks or counters among records that nothing evicts.
 *
 * @internal
 */
final class Kept
{
    private int $lastToken = 0;

    public function __construct(private readonly Records $records)
    {
    }

    public function bytes(): int
    {
        return $this->records->bytes();
    }

    public function bytesMax(): int
    {
        return $this->records->bytesMax();
    }

    public function lock(string $name, int $ttlMs): ?int
    {
        if ($this->records->find($name) !== null) {
            return null;
        }
        $this->records->put($name, $token = $this->token(), Expiry::now() + $ttlMs);
        return $token;
    }

    public function unlock(string $name, int $token): bool
    {
        $held = $this->holder($name) === $token;
        if ($held) {
            $this->records->forget($name);
        }
        return $held;
    }

    public function extend(string $name, int $token, int $ttlMs): bool
    {
        $held = $this->holder($name) === $token;
        if ($held) {
            $this->records->put($name, $token, Expiry::now() + $ttlMs);
        }
        return $held;
    }

    public function holder(string $name): ?int
    {
        $record = $this->records->find($name);
        return $record === null ? null : (int) $record[0];
    }

    /** @return array{int, int} */
    public function count(string $name, int $windowMs): array
    {
        [$count, $endsAt] = $this->records->find($name) ?? [0, Expiry::now() + $windowMs];
        $this->records->put($name, (int) $count + 1, $endsAt);
        return [(int) $count + 1, $endsAt];
    }

    /** @return array{int, int} */
    public function read(string $name): array
    {
        [$count, $endsAt] = $this->records->find($name) ?? [0, 0];
        return [(int) $count, $endsAt];
    }

    public function forget(string $name): void
    {
        $this->records->forget($name);
    }

    /** The time in microseconds, and never one that was given. */
    private function token(): int
    {
        return $this->lastToken = max($this->lastToken + 1, (int) (microtime(true) * 1e6));
    }
}
