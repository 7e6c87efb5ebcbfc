<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use DateInterval;
use DateTimeImmutable;
use Lyger\Cache\Pool;
use Lyger\Cache\Store;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidCacheKey;
use Lyger\Tests\Support\Children;
use PHPUnit\Framework\TestCase;
use Psr\Cache\CacheItemInterface;
use Psr\Cache\InvalidArgumentException;

/** PSR-6 over the same cache. */
final class PoolTest extends TestCase
{
    private Store $store;
    private Pool $pool;

    protected function setUp(): void
    {
        $this->store = Store::default();
        $this->store->clear();
        $this->pool = new Pool($this->store);
    }

    public function test_an_item_is_saved_and_found_by_both_interfaces(): void
    {
        $item = $this->pool->getItem('key');
        self::assertInstanceOf(CacheItemInterface::class, $item);
        self::assertSame(['key', false, null], [$item->getKey(), $item->isHit(), $item->get()]);
        self::assertTrue($this->pool->save($item->set([1, 2])));
        self::assertSame([1, 2], $this->store->get('key'));
        $found = $this->pool->getItem('key');
        self::assertSame([true, [1, 2]], [$found->isHit(), $found->get()]);
        $this->pool->save($found->set(null));
        self::assertTrue($this->pool->getItem('key')->isHit(), 'null is a value');
        self::assertTrue($this->pool->deleteItem('key') && $this->pool->deleteItem('key'));
        self::assertFalse($this->pool->hasItem('key'));
    }

    public function test_items_expire(): void
    {
        $save = fn (CacheItemInterface $item): bool => $this->pool->save($item->set(1));
        $save($this->pool->getItem('after')->expiresAfter(60));
        $save($this->pool->getItem('interval')->expiresAfter(new DateInterval('PT60S')));
        $save($this->pool->getItem('at')->expiresAt(new DateTimeImmutable('+60 seconds')));
        $save($this->pool->getItem('never')->expiresAfter(60)->expiresAfter(null));
        $save($this->pool->getItem('null')->expiresAt(null));
        foreach (['after', 'interval', 'at'] as $key) {
            self::assertEqualsWithDelta(60, $this->store->ttl($key), 30, $key);
        }
        self::assertSame([INF, INF], [$this->store->ttl('never'), $this->store->ttl('null')]);
        $save($this->pool->getItem('after')->expiresAfter(0));
        $save($this->pool->getItem('at')->expiresAt(new DateTimeImmutable('1960-01-01')));
        self::assertFalse($this->pool->hasItem('after') || $this->pool->hasItem('at'));
    }

    public function test_deferred_items_are_seen_at_once_and_written_together(): void
    {
        $this->pool->saveDeferred($this->pool->getItem('a')->set(1));
        $this->pool->saveDeferred($this->pool->getItem('b')->set(2)->expiresAfter(60));
        self::assertSame([1, true], [$this->pool->getItem('a')->get(), $this->pool->hasItem('b')]);
        self::assertNull($this->store->get('a'));
        self::assertTrue($this->pool->commit());
        self::assertSame(['a' => 1, 'b' => 2], $this->store->getMultiple(['a', 'b']));
        $this->pool->saveDeferred($this->pool->getItem('a')->set(3));
        $this->pool->deleteItems(['a', 'b']);
        $this->pool->commit();
        self::assertNull($this->store->get('a'));
        $this->pool->saveDeferred($this->pool->getItem('c')->set(4));
        unset($this->pool);
        self::assertSame(4, $this->store->get('c'), 'with the pool at the latest');
        $this->pool = new Pool($this->store);
        $this->pool->saveDeferred($this->pool->getItem('d')->set(5)->expiresAfter(-1));
        self::assertFalse($this->pool->hasItem('d') || $this->pool->getItem('d')->isHit());
        $this->pool->saveDeferred($this->pool->getItem('e')->set(6));
        $this->pool->clear();
        self::assertFalse($this->pool->hasItem('e'));
    }

    public function test_an_item_that_cannot_be_put_keeps_no_other_from_being_put(): void
    {
        $closure = static fn (): int => 1;
        $all = ['a' => 1, 'closure' => $closure, 'b' => 2, 'c' => 3, 'timed' => $closure, 'd' => 4];
        foreach ($all as $key => $value) {
            $item = $this->pool->getItem($key)->set($value);
            $this->pool->saveDeferred(in_array($key, ['c', 'timed', 'd'], true) ? $item->expiresAfter(60) : $item);
        }
        for ($time = 0; $time < 2; $time++) {
            try {
                $this->pool->commit();
                self::fail('put');
            } catch (InvalidArgument $exception) {
                self::assertStringContainsString('Closure', $exception->getMessage());
            }
            $values = ['a' => 1, 'b' => 2, 'c' => 3, 'd' => 4];
            self::assertSame($values, $this->store->getMultiple(array_keys($values)));
            self::assertTrue($this->pool->hasItem('closure') && $this->pool->hasItem('timed'), 'they stay deferred');
        }
        $this->pool->deleteItems(['closure', 'timed']);
        self::assertTrue($this->pool->commit());
    }

    public function test_a_pool_that_ends_with_what_it_cannot_put_says_so_in_the_log(): void
    {
        $this->pool->saveDeferred($this->pool->getItem('closure')->set(fn () => 1));
        $this->pool->saveDeferred($this->pool->getItem('a')->set(1));
        $log = tempnam(sys_get_temp_dir(), 'lyger-log');
        $before = ini_set('error_log', $log);
        try {
            unset($this->pool);
        } finally {
            ini_set('error_log', (string) $before);
        }
        self::assertStringContainsString('1 deferred items of the cache are lost', (string) file_get_contents($log));
        self::assertSame(1, $this->store->get('a'));
        unlink($log);
    }

    public function test_a_forked_child_leaves_its_parents_items_to_it(): void
    {
        if (!function_exists('pcntl_fork')) {
            self::markTestSkipped('runs where ext-pcntl is loaded');
        }
        // Of a file, which both see.
        $code = '$log = tempnam(sys_get_temp_dir(), "lyger-log"); ini_set("error_log", $log);
            $item = static fn (Lyger\Cache\Pool $pool, string $key) => $pool->getItem($key)->set(fn () => 1);
            $pool = new Lyger\Cache\Pool(Lyger\Cache\Store::default());
            $pool->saveDeferred($item($pool, "of-the-parent"));
            if (pcntl_fork() === 0) { unset($pool); echo filesize($log), " "; exit; }
            pcntl_wait($status); unset($pool); clearstatcache();
            echo substr_count(file_get_contents($log), "are lost"); unlink($log);';
        self::assertSame(['0 1'], Children::run([$code]));
    }

    public function test_several_items_come_by_their_keys(): void
    {
        $this->store->setMultiple(['a' => 1, '7' => 2]);
        $items = $this->pool->getItems(['a', 'missing', '7']);
        $values = array_map(static fn (CacheItemInterface $item): mixed => $item->get(), [...$items]);
        self::assertSame(['a' => 1, 'missing' => null, 7 => 2], array_combine(array_keys($items), $values));
        self::assertSame([], [...$this->pool->getItems()]);
    }

    public function test_keys_that_psr_6_reserves_are_refused(): void
    {
        foreach (['', 'a{', 'a/b', 'a@', 'a:b', 5, null, []] as $key) {
            $ways = [$this->pool->getItem(...), $this->pool->hasItem(...), $this->pool->deleteItem(...)];
            foreach ([...$ways, fn ($key) => $this->pool->getItems([$key])] as $way) {
                try {
                    $way($key);
                    self::fail('taken');
                } catch (InvalidCacheKey $exception) {
                    self::assertInstanceOf(InvalidArgumentException::class, $exception);
                }
            }
        }
    }
}
