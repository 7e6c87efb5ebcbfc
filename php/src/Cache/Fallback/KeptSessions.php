<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Cache\Expiry;
use Lyger\Cache\Sessions;
use Lyger\Exception\CacheValueTooLarge;
use SensitiveParameter;

/**
 * Sessions in an array of the process.
 *
 * @internal
 */
final class KeptSessions implements Sessions
{
    /** The longest record of the engine's table. */
    private const DATA_BYTES_MAX = 61_440;

    public function __construct(private readonly Records $records, private readonly Kept $locks)
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

    public function open(#[SensitiveParameter] string $id, int $ttlMs): ?int
    {
        return $this->locks->lock($id, $ttlMs);
    }

    public function close(#[SensitiveParameter] string $id, int $token): bool
    {
        return $this->locks->unlock($id, $token);
    }

    public function read(#[SensitiveParameter] string $id): ?string
    {
        $data = $this->records->find($id)[0] ?? null;
        return $data === null ? null : (string) $data;
    }

    public function write(
        #[SensitiveParameter] string $id,
        int $token,
        #[SensitiveParameter] string $data,
        int $ttlMs,
    ): bool {
        if ($token !== 0 && $this->locks->holder($id) !== $token) {
            return false;
        }
        if (strlen($data) > self::DATA_BYTES_MAX) {
            throw CacheValueTooLarge::ofRecord(strlen($data), self::DATA_BYTES_MAX);
        }
        $this->records->put($id, $data, Expiry::now() + $ttlMs);
        return true;
    }

    public function touch(#[SensitiveParameter] string $id, int $ttlMs): bool
    {
        $data = $this->read($id);
        return $data !== null && $this->write($id, 0, $data, $ttlMs);
    }

    public function destroy(#[SensitiveParameter] string $id): bool
    {
        $holder = $this->locks->holder($id);
        if ($holder !== null) {
            $this->locks->unlock($id, $holder);
        }
        $isThere = $this->records->find($id) !== null;
        $this->records->forget($id);
        return $isThere;
    }
}
