<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidCacheKey;
use Lyger\Exception\LygerException;
use Psr\Cache\CacheItemInterface;
use Psr\Cache\CacheItemPoolInterface;

/** A Store as PSR-6 has it. Both see the same keys and values. */
final class Pool implements CacheItemPoolInterface
{
    /** @var array<string, Item> */
    private array $deferred = [];
    /** Whose they are: a forked child has a copy of its parent's. */
    private int $pid = 0;

    public function __construct(private readonly Store $store)
    {
    }

    public function __destruct()
    {
        if ($this->deferred === [] || $this->pid !== getmypid()) {
            return;
        }
        try {
            $this->commit();
        } catch (LygerException $failure) {
            // A destructor has nobody to tell.
            $count = count($this->deferred);
            error_log("Lyger: $count deferred items of the cache are lost: {$failure->getMessage()}");
        }
    }

    public function getItem($key): CacheItemInterface
    {
        return $this->getItems([$key])[$key];
    }

    /** @return array<string, CacheItemInterface> */
    public function getItems(array $keys = []): iterable
    {
        $items = $missing = [];
        foreach ($keys as $key) {
            $key = $this->store->key($key);
            $deferred = $this->deferred[$key] ?? null;
            $items[$key] = $deferred === null || $deferred->isOver() ? new Item($key, null, false) : clone $deferred;
            if ($deferred === null) {
                $missing[] = $key;
            }
        }
        foreach ($this->store->findMultiple($missing) as $at => $bytes) {
            $value = $bytes === null ? $this : $this->store->decoded($missing[$at], $bytes, $this);
            if ($value !== $this) {
                $items[$missing[$at]] = new Item($missing[$at], $value, true);
            }
        }
        return $items;
    }

    public function hasItem($key): bool
    {
        $deferred = $this->deferred[$this->store->key($key)] ?? null;
        return $deferred === null ? $this->store->has($key) : !$deferred->isOver();
    }

    public function clear(): bool
    {
        $this->deferred = [];
        return $this->store->clear();
    }

    public function deleteItem($key): bool
    {
        return $this->deleteItems([$key]);
    }

    public function deleteItems(array $keys): bool
    {
        $keys = array_map($this->store->key(...), $keys);
        foreach ($keys as $key) {
            unset($this->deferred[$key]);
        }
        return $this->store->deleteMultiple($keys);
    }

    public function save(CacheItemInterface $item): bool
    {
        $item = self::ours($item);
        unset($this->deferred[$item->getKey()]);
        $item->markSaved();
        return $this->store->set($item->getKey(), $item->value(), $item->ttl());
    }

    public function saveDeferred(CacheItemInterface $item): bool
    {
        $item = clone self::ours($item);
        $item->markSaved();
        $this->deferred[$item->getKey()] = $item;
        $this->pid = (int) getmypid();
        return true;
    }

    /** What can't be put stays deferred, and keeps nothing else from being put. */
    public function commit(): bool
    {
        $forever = array_filter($this->deferred, static fn (Item $item): bool => $item->ttl() === null);
        try {
            $forever === [] || $this->store->setMultiple(array_map(static fn (Item $item) => $item->value(), $forever));
            $this->deferred = array_diff_key($this->deferred, $forever);
        } catch (InvalidArgument | CacheValueTooLarge) {
            // One of them can't be: then each by itself.
        }
        $failure = null;
        foreach ($this->deferred as $key => $item) {
            try {
                $this->store->set((string) $key, $item->value(), $item->ttl());
                unset($this->deferred[$key]);
            } catch (InvalidArgument | CacheValueTooLarge $refusal) {
                $failure ??= $refusal;
            }
        }
        return $failure === null ? true : throw $failure;
    }

    private static function ours(CacheItemInterface $item): Item
    {
        return $item instanceof Item
            ? $item
            : throw InvalidCacheKey::because('an item of another pool: ' . get_debug_type($item), $item->getKey());
    }
}
