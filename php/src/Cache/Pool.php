<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\InvalidCacheKey;
use Psr\Cache\CacheItemInterface;
use Psr\Cache\CacheItemPoolInterface;

/** A Store as PSR-6 has it. Both see the same keys and values. */
final class Pool implements CacheItemPoolInterface
{
    /** @var array<string, Item> */
    private array $deferred = [];

    public function __construct(private readonly Store $store)
    {
    }

    public function __destruct()
    {
        $this->commit();
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
            if ($bytes !== null) {
                $items[$missing[$at]] = new Item($missing[$at], $this->store->codec()->decode($bytes), true);
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
        return true;
    }

    public function commit(): bool
    {
        $deferred = $this->deferred;
        $this->deferred = [];
        $forever = [];
        foreach ($deferred as $key => $item) {
            if ($item->ttl() === null) {
                $forever[$key] = $item->value();
            } else {
                $this->store->set((string) $key, $item->value(), $item->ttl());
            }
        }
        return $forever === [] || $this->store->setMultiple($forever);
    }

    private static function ours(CacheItemInterface $item): Item
    {
        return $item instanceof Item
            ? $item
            : throw InvalidCacheKey::because('an item of another pool: ' . get_debug_type($item), $item->getKey());
    }
}
