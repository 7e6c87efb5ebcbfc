<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\InvalidArgument;
use Psr\SimpleCache\CacheInterface;

/**
 * What this process has lately read from a Store, in front of it. For a Redis, whose every get is a way over the
 * network; the cache of a fleet is nearer than that.
 *
 * A value that another process changes, removes or has expire is still given for $seconds. What this process changes
 * through this object it sees at once. Nothing uses it by itself.
 *
 *     $cache = new LocalCache(Store::open('redis://cache.internal'), entriesMax: 1_000, seconds: 2.0);
 */
final class LocalCache implements CacheInterface
{
    /** @var array<string, array{float, mixed, bool}> until when, the value, whether it is bytes; the oldest first */
    private array $entries = [];

    public function __construct(
        private readonly Store $store,
        private readonly int $entriesMax = 1_000,
        private readonly float $seconds = 1.0,
    ) {
        if ($entriesMax < 1 || !($seconds > 0.0)) {
            throw InvalidArgument::because('a cache of a process has at least one entry, and for some time');
        }
    }

    public function get($key, $default = null): mixed
    {
        // Checked by the store where it isn't here.
        $at = is_string($key) ? "k$key" : '';
        $entry = $this->entries[$at] ?? null;
        if ($entry !== null && $entry[0] > hrtime(true) / 1e9) {
            unset($this->entries[$at]);
            $this->entries[$at] = $entry;
            return $entry[2] ? $this->store->codec()->decode($entry[1]) : $entry[1];
        }
        unset($this->entries[$at]);
        $bytes = $this->store->find($this->store->key($key));
        return $bytes === null ? $default : $this->keep($at, $key, $bytes, $default);
    }

    public function set($key, $value, $ttl = null): bool
    {
        $this->forget($key);
        return $this->store->set($key, $value, $ttl);
    }

    public function delete($key): bool
    {
        $this->forget($key);
        return $this->store->delete($key);
    }

    public function clear(): bool
    {
        $this->entries = [];
        return $this->store->clear();
    }

    public function has($key): bool
    {
        return $this->get($key, $this) !== $this;
    }

    public function getMultiple($keys, $default = null): iterable
    {
        is_iterable($keys) || $this->store->getMultiple($keys);
        $values = $missing = [];
        foreach ($keys as $key) {
            $values[$this->store->key($key)] = null;
        }
        $now = hrtime(true) / 1e9;
        foreach ($values as $key => $_) {
            $entry = $this->entries["k$key"] ?? null;
            if ($entry === null || $entry[0] <= $now) {
                $missing[] = (string) $key;
            } else {
                $values[$key] = $this->get((string) $key, $default);
            }
        }
        foreach ($this->store->findMultiple($missing) as $at => $bytes) {
            $key = $missing[$at];
            $values[$key] = $bytes === null ? $default : $this->keep("k$key", $key, $bytes, $default);
        }
        return $values;
    }

    public function setMultiple($values, $ttl = null): bool
    {
        is_iterable($values) || $this->store->setMultiple($values);
        $pairs = [];
        foreach ($values as $key => $value) {
            // An array makes integers of keys that are written as one.
            $key = $this->store->key(is_int($key) ? (string) $key : $key);
            $this->forget($key);
            $pairs[$key] = $value;
        }
        return $this->store->setMultiple($pairs, $ttl);
    }

    public function deleteMultiple($keys): bool
    {
        is_iterable($keys) || $this->store->deleteMultiple($keys);
        $all = [];
        foreach ($keys as $key) {
            $this->forget($key);
            $all[] = $key;
        }
        return $this->store->deleteMultiple($all);
    }

    /** What this process keeps, the store's values not. */
    public function forgetAll(): void
    {
        $this->entries = [];
    }

    private function forget(mixed $key): void
    {
        if (is_string($key)) {
            unset($this->entries["k$key"]);
        }
    }

    /** Keeps arrays and objects as bytes: whoever changes one that he was given changes his own. */
    private function keep(string $at, string $key, string $bytes, mixed $default): mixed
    {
        $value = $this->store->decoded($key, $bytes, $this);
        if ($value === $this) {
            return $default;
        }
        $isBytes = is_array($value) || is_object($value);
        $this->entries[$at] = [hrtime(true) / 1e9 + $this->seconds, $isBytes ? $bytes : $value, $isBytes];
        if (count($this->entries) > $this->entriesMax) {
            unset($this->entries[array_key_first($this->entries)]);
        }
        return $value;
    }
}
