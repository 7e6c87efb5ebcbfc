<?php

declare(strict_types=1);

namespace Lyger\Core;

use Closure;
use Lyger\Cache\Condition;
use Lyger\Cache\Driver;
use Lyger\Cache\Expiry;
use Lyger\Cache\Fallback\Counting;
use Lyger\Cache\Fallback\Kept;
use Lyger\Cache\Fallback\KeptSessions;
use Lyger\Cache\Fallback\Records;
use Lyger\Cache\Sessions;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;

/**
 * The cache as an array. Keys and values together have at most cache.bytes_max bytes: beyond it, what was unused for
 * longest goes. Locks, counters, makers' locks and sessions are apart, and stay.
 */
final class PhpCache implements Driver
{
    private const KEY_BYTES_MAX = 65_536;
    private const VALUE_BYTES_MAX = 512 << 20;
    private const NOTHING = ['hits' => 0, 'misses' => 0, 'evictions' => 0, 'expirations' => 0];

    /**
     * @var array<string, array{string, int}> value, and when it goes, 0 for never; the one unused for longest comes
     *     first; a prefix keeps PHP from making keys integers
     */
    private array $entries = [];
    private int $bytes = 0;
    /** @var array<string, int> */
    private array $happened = self::NOTHING;
    private Kept $locks;
    private Kept $rates;
    private Kept $flights;
    private KeptSessions $sessions;
    private ?int $bytesMax = null;
    /** @var array<int, list<string>> what is left of each scan under way, by its cursor */
    private array $scans = [];
    private int $lastScan = 0;

    /** How many scans may be under way: of one that was left, the keys would stay for ever. */
    private const SCANS_MAX = 64;

    /** The token of who makes a value without a lock has this bit, and below it the time until which he may land. */
    private const UNLOCKED = 1 << 62;

    /** @param Closure(): int $limit asked at the first use */
    public function __construct(private readonly Closure $limit)
    {
        $this->makeKept();
    }

    /** As it was before the first use. */
    public function release(): void
    {
        $this->clear();
        $this->makeKept();
        $this->happened = self::NOTHING;
        $this->bytesMax = null;
    }

    public function find(string $key): ?string
    {
        $at = self::at($key);
        $entry = $this->entry($at);
        $this->happened[$entry === null ? 'misses' : 'hits']++;
        if ($entry === null) {
            return null;
        }
        unset($this->entries[$at]);
        $this->entries[$at] = $entry;
        return $entry[0];
    }

    public function put(string $key, string $value, int $ttlMs): void
    {
        $this->keep(self::at($key), $value, $ttlMs === 0 ? 0 : Expiry::now() + $ttlMs);
    }

    public function set(string $key, string $value, Condition $condition, Expiry $expiry): bool
    {
        return $this->swap($key, $value, $condition, $expiry)[0];
    }

    public function swap(string $key, string $value, Condition $condition, Expiry $expiry): array
    {
        $at = self::at($key);
        $old = $this->entry($at);
        $stored = $condition->holds($old !== null);
        if ($stored) {
            $this->keep($at, $value, $expiry->time(Expiry::now(), $old[1] ?? 0));
        }
        return [$stored, $old[0] ?? null];
    }

    public function compareAndSet(string $key, string $expected, string $value): bool
    {
        $at = self::at($key);
        $old = $this->entry($at);
        if ($old === null || $old[0] !== $expected) {
            return false;
        }
        $this->keep($at, $value, $old[1]);
        return true;
    }

    public function delete(string $key): bool
    {
        $at = self::at($key);
        return $this->entry($at) !== null && $this->remove($at);
    }

    public function exists(string $key): bool
    {
        return $this->entry(self::at($key)) !== null;
    }

    public function ttl(string $key): int
    {
        $entry = $this->entry(self::at($key));
        return match (true) {
            $entry === null => self::MISSING,
            $entry[1] === 0 => self::STAYS,
            default => max(0, $entry[1] - Expiry::now()),
        };
    }

    public function expire(string $key, Expiry $expiry): bool
    {
        $at = self::at($key);
        $old = $this->entry($at);
        if ($old === null) {
            return false;
        }
        $this->entries[$at][1] = $expiry->time(Expiry::now(), $old[1]);
        return true;
    }

    public function increment(string $key, int $by): int
    {
        $at = self::at($key);
        $old = $this->entry($at);
        $sum = Counting::integers($old[0] ?? '0', $by);
        $this->keep($at, (string) $sum, $old[1] ?? 0);
        return $sum;
    }

    public function incrementFloat(string $key, float $by): float
    {
        $at = self::at($key);
        $old = $this->entry($at);
        [$sum, $text] = Counting::floats($old[0] ?? '0', $by);
        $this->keep($at, $text, $old[1] ?? 0);
        return $sum;
    }

    public function append(string $key, string $bytes): int
    {
        $at = self::at($key);
        $old = $this->entry($at);
        $value = ($old[0] ?? '') . $bytes;
        $this->keep($at, $value, $old[1] ?? 0);
        return strlen($value);
    }

    public function range(string $key, int $first, int $last): string
    {
        $value = $this->entry(self::at($key))[0] ?? '';
        $length = strlen($value);
        if ($first < 0 && $last < 0 && $first > $last) {
            return '';
        }
        $from = $first < 0 ? max(0, $first + $length) : $first;
        $to = $last < 0 ? max(0, $last + $length) : min($last, $length - 1);
        return $from > $to ? '' : substr($value, $from, $to - $from + 1);
    }

    public function writeAt(string $key, int $offset, string $bytes): int
    {
        $at = self::at($key);
        $old = $this->entry($at);
        $value = $old[0] ?? '';
        if ($bytes === '') {
            return strlen($value);
        }
        // Before memory is asked for it.
        $this->admit($at, min($offset, self::VALUE_BYTES_MAX) + strlen($bytes));
        $value = substr_replace(str_pad($value, $offset, "\0"), $bytes, $offset, strlen($bytes));
        $this->keep($at, $value, $old[1] ?? 0);
        return strlen($value);
    }

    public function take(string $key): ?string
    {
        $value = $this->entry(self::at($key))[0] ?? null;
        $this->remove(self::at($key));
        return $value;
    }

    public function touch(string $key, Expiry $expiry): ?string
    {
        $value = $this->entry(self::at($key))[0] ?? null;
        $this->expire($key, $expiry);
        return $value;
    }

    public function getMany(array $keys): array
    {
        return array_map($this->find(...), $keys);
    }

    public function setMany(array $pairs, bool $ifMissing, Expiry $expiry): bool
    {
        foreach ($pairs as [$key]) {
            if ($ifMissing && $this->exists($key)) {
                return false;
            }
        }
        foreach ($pairs as [$key, $value]) {
            $this->swap($key, $value, Condition::Always, $expiry);
        }
        return true;
    }

    public function deleteMany(array $keys): int
    {
        return count(array_filter(array_map($this->delete(...), $keys)));
    }

    public function scan(int $cursor, int $count): array
    {
        if ($cursor === 0) {
            $left = array_keys($this->entries);
        } else {
            $left = $this->scans[$cursor] ?? [];
            unset($this->scans[$cursor]);
        }
        $there = array_filter(array_splice($left, 0, max(1, $count)), fn (string $at) => $this->entry($at) !== null);
        if ($left === []) {
            return [0, array_map(self::key(...), array_values($there))];
        }
        $this->scans[++$this->lastScan] = $left;
        $this->scans = array_slice($this->scans, -self::SCANS_MAX, null, true);
        return [$this->lastScan, array_map(self::key(...), array_values($there))];
    }

    public function size(): int
    {
        return count($this->entries);
    }

    public function clear(): void
    {
        $this->entries = $this->scans = [];
        $this->bytes = 0;
    }

    public function stats(): array
    {
        return [
            'keys' => count($this->entries),
            'keys_expiring' => count(array_filter($this->entries, static fn (array $entry): bool => $entry[1] !== 0)),
            'bytes' => $this->bytes,
            'bytes_max' => $this->limit(),
            'memory_bytes' => $this->bytes,
            ...$this->happened,
            'recoveries' => 0,
            'rate_bytes' => $this->rates->bytes(),
            'rate_bytes_max' => $this->rates->bytesMax(),
            'lock_bytes' => $this->locks->bytes(),
            'lock_bytes_max' => $this->locks->bytesMax(),
            'flight_bytes' => $this->flights->bytes(),
            'flight_bytes_max' => $this->flights->bytesMax(),
            'session_bytes' => $this->sessions->bytes(),
            'session_bytes_max' => $this->sessions->bytesMax(),
        ];
    }

    public function lock(string $name, int $ttlMs): ?int
    {
        return $this->locks->lock($name, $ttlMs);
    }

    public function unlock(string $name, int $token): bool
    {
        return $this->locks->unlock($name, $token);
    }

    public function extendLock(string $name, int $token, int $ttlMs): bool
    {
        return $this->locks->extend($name, $token, $ttlMs);
    }

    public function lockHolder(string $name): ?int
    {
        return $this->locks->holder($name);
    }

    public function countRate(string $name, int $windowMs): array
    {
        return $this->rates->count($name, $windowMs);
    }

    public function readRate(string $name): array
    {
        return $this->rates->read($name);
    }

    public function resetRate(string $name): void
    {
        $this->rates->forget($name);
    }

    public function takeOff(string $key, int $patienceMs): array
    {
        $value = $this->find($key);
        if ($value !== null) {
            return [$value, 0];
        }
        try {
            return [null, (int) $this->flights->lock($key, $patienceMs)];
        } catch (CacheValueTooLarge) {
            // Without a lock whoever asks makes it, and the first one's stays.
            return [null, self::UNLOCKED | Expiry::now() + $patienceMs];
        }
    }

    public function land(string $key, int $token, string $value, Expiry $expiry): bool
    {
        // First of all, so that whoever asks next is to make what has no room.
        $inTime = ($token & self::UNLOCKED) !== 0
            ? Expiry::now() < ($token & ~self::UNLOCKED)
            : $this->flights->unlock($key, $token);
        if (!$inTime) {
            return false;
        }
        $this->set($key, $value, Condition::Missing, $expiry);
        return true;
    }

    public function abandon(string $key, int $token): void
    {
        $this->flights->unlock($key, $token);
    }

    public function sessions(): Sessions
    {
        return $this->sessions;
    }

    /** The shares are the engine's: names of rates and sessions come from outside, and leave room for locks. */
    private function makeKept(): void
    {
        $of = fn (string $what, int $shards): Records => new Records($what, $shards, $this->limit(...));
        $this->rates = new Kept($of('counters of rates', 4));
        $this->locks = new Kept($of('locks', 3));
        $this->flights = new Kept($of("makers' locks", 1));
        $this->sessions = new KeptSessions($of('sessions', 16), new Kept($of('locks', 3)));
    }

    /** @return array{string, int}|null */
    private function entry(string $at): ?array
    {
        $entry = $this->entries[$at] ?? null;
        if ($entry !== null && $entry[1] !== 0 && $entry[1] <= Expiry::now()) {
            $this->remove($at);
            $this->happened['expirations']++;
            return null;
        }
        return $entry;
    }

    private function keep(string $at, string $value, int $expiresAt): void
    {
        $this->admit($at, strlen($value));
        $this->remove($at);
        $this->entries[$at] = [$value, $expiresAt];
        $this->bytes += strlen($at) - 1 + strlen($value);
        while ($this->bytes > $this->limit()) {
            // The array's own pointer stays at the first entry as those before it go. array_key_first() would pass all
            // their empty places again each time.
            $this->remove((string) (key($this->entries) ?? array_key_first($this->entries)));
            $this->happened['evictions']++;
        }
    }

    private function admit(string $at, int $valueBytes): void
    {
        $bytes = strlen($at) - 1 + $valueBytes;
        if ($bytes > $this->limit() || $valueBytes > self::VALUE_BYTES_MAX) {
            throw CacheValueTooLarge::of($bytes, min($this->limit(), self::VALUE_BYTES_MAX));
        }
    }

    private function remove(string $at): bool
    {
        if (!isset($this->entries[$at])) {
            return false;
        }
        $this->bytes -= strlen($at) - 1 + strlen($this->entries[$at][0]);
        unset($this->entries[$at]);
        return true;
    }

    private function limit(): int
    {
        return $this->bytesMax ??= ($this->limit)();
    }

    private static function at(string $key): string
    {
        if (strlen($key) > self::KEY_BYTES_MAX) {
            throw InvalidArgument::because('key has ' . strlen($key) . ' bytes and may have ' . self::KEY_BYTES_MAX);
        }
        return "k$key";
    }

    private static function key(string $at): string
    {
        return substr($at, 1);
    }
}
