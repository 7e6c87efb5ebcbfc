<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\LygerException;

/**
 * Where a Store keeps its bytes: the native library's table, an array, or a Redis. All give the same results: the test
 * suite runs against each and compares. Keys and values are any bytes. Times are in milliseconds.
 *
 * @internal
 */
interface Driver
{
    /** What ttl() says without an expiry, and where there is nothing. */
    public const STAYS = -1;
    public const MISSING = -2;

    /** @throws LygerException as everything here */
    public function find(string $key): ?string;

    /** @param int $ttlMs 0: until it is evicted */
    public function put(string $key, string $value, int $ttlMs): void;

    /** Whether the condition held. */
    public function set(string $key, string $value, Condition $condition, Expiry $expiry): bool;

    /** @return array{bool, ?string} whether the condition held, and the value before */
    public function swap(string $key, string $value, Condition $condition, Expiry $expiry): array;

    /** Whether $expected was there, in whose place $value is now. */
    public function compareAndSet(string $key, string $expected, string $value): bool;

    /** Whether it was there. */
    public function delete(string $key): bool;

    public function exists(string $key): bool;

    /** How long it stays, STAYS or MISSING. */
    public function ttl(string $key): int;

    /** Whether it is there. */
    public function expire(string $key, Expiry $expiry): bool;

    public function increment(string $key, int $by): int;

    public function incrementFloat(string $key, float $by): float;

    /** @return int how long it is then */
    public function append(string $key, string $bytes): int;

    /** From $first to $last, which is part of it; negative numbers count from the end. */
    public function range(string $key, int $first, int $last): string;

    /** @return int how long it is then */
    public function writeAt(string $key, int $offset, string $bytes): int;

    /** The value, which is forgotten. */
    public function take(string $key): ?string;

    /** The value, whose expiry is changed. */
    public function touch(string $key, Expiry $expiry): ?string;

    /**
     * @param list<string> $keys
     * @return list<?string> in the order of the keys
     */
    public function getMany(array $keys): array;

    /**
     * @param list<array{string, string}> $pairs
     * @param bool $ifMissing only if none of the keys is there
     * @return bool whether they were put
     */
    public function setMany(array $pairs, bool $ifMissing, Expiry $expiry): bool;

    /**
     * @param list<string> $keys
     * @return int how many were there
     */
    public function deleteMany(array $keys): int;

    /** @return array{int, list<string>} the cursor to go on with, 0 at the end; and keys, some perhaps twice */
    public function scan(int $cursor, int $count): array;

    public function size(): int;

    public function clear(): void;

    /** @return array<string, int> */
    public function stats(): array;

    /** The fencing token; null when somebody has the lock. */
    public function lock(string $name, int $ttlMs): ?int;

    /** Whether it was the token's. */
    public function unlock(string $name, int $token): bool;

    /** Whether it is the token's. */
    public function extendLock(string $name, int $token, int $ttlMs): bool;

    public function lockHolder(string $name): ?int;

    /** @return array{int, int} how often it was in this window, and when that ends, in ms since 1970 here */
    public function countRate(string $name, int $windowMs): array;

    /** @return array{int, int} the same without counting, zeros where no window is under way */
    public function readRate(string $name): array;

    public function resetRate(string $name): void;

    /** @return array{?string, int} the value; or null and the token of who is to make it, 0 when somebody else is */
    public function takeOff(string $key, int $patienceMs): array;

    /** Whether it was still the token's to put the value. */
    public function land(string $key, int $token, string $value, Expiry $expiry): bool;

    public function abandon(string $key, int $token): void;

    /** Visitors' sessions, which are no keys. */
    public function sessions(): Sessions;
}
