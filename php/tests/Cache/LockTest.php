<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\Lock;
use Lyger\Cache\Store;
use Lyger\Exception\InvalidArgument;
use PHPUnit\Framework\TestCase;

class LockTest extends TestCase
{
    protected Store $cache;

    protected function open(): Store
    {
        return Store::default();
    }

    protected function setUp(): void
    {
        $this->cache = $this->open();
    }

    private static function name(): string
    {
        return 'lock: ' . bin2hex(random_bytes(8));
    }

    public function test_one_has_a_lock_and_gives_it_back(): void
    {
        $name = self::name();
        $lock = $this->cache->lock($name, 60);
        self::assertInstanceOf(Lock::class, $lock);
        self::assertNull($this->cache->lock($name, 60));
        self::assertTrue($lock->isHeld());
        self::assertSame($lock->token(), $this->cache->lockHolder($name));
        self::assertTrue($lock->extend() && $lock->extend(120));
        self::assertTrue($lock->release());
        self::assertFalse($lock->release() || $lock->isHeld() || $lock->extend());
        self::assertNull($this->cache->lockHolder($name));
    }

    public function test_a_lock_ends_with_its_object(): void
    {
        $name = self::name();
        $lock = $this->cache->lock($name, 60);
        unset($lock);
        self::assertNotNull($this->cache->lock($name, 60));
    }

    public function test_each_token_is_larger_than_the_one_before(): void
    {
        $name = self::name();
        $last = 0;
        for ($time = 0; $time < 200; $time++) {
            $lock = $this->cache->lock($name, 60);
            self::assertGreaterThan($last, $lock->token());
            self::assertLessThan(2 ** 53, $lock->token());
            $last = $lock->token();
            $lock->release();
        }
    }

    public function test_whoever_was_held_up_has_lost_the_lock_and_takes_it_from_nobody(): void
    {
        $name = self::name();
        $late = $this->cache->lock($name, 0.02);
        usleep(30_000);
        $next = $this->cache->lock($name, 60);
        self::assertGreaterThan($late->token(), $next->token());
        self::assertFalse($late->isHeld() || $late->extend(60) || $late->release());
        self::assertTrue($next->isHeld());
    }

    public function test_a_lock_is_waited_for_as_long_as_was_said(): void
    {
        $name = self::name();
        $first = $this->cache->lock($name, 0.05);
        self::assertNull($this->cache->lock($name, 60, wait: 0.005));
        self::assertNotNull($this->cache->lock($name, 60, wait: 30.0));
        self::assertFalse($first->isHeld());
    }

    public function test_removing_all_keys_leaves_locks(): void
    {
        $lock = $this->cache->lock(self::name(), 60);
        $this->cache->clear();
        self::assertTrue($lock->isHeld());
    }

    public function test_a_name_that_is_too_long_is_refused_by_its_length(): void
    {
        $longest = str_repeat('n', 64_000);
        self::assertTrue($this->cache->lock($longest, 60)?->release());
        self::assertTrue($this->cache->rateLimit($longest, 1, 60)->isAllowed());
        $this->cache->resetRate($longest);
        foreach (
            [
                fn (string $name) => $this->cache->lock($name, 60),
                fn (string $name) => $this->cache->lockHolder($name),
                fn (string $name) => $this->cache->rateLimit($name, 1, 60),
                fn (string $name) => $this->cache->readRate($name, 1),
                fn (string $name) => $this->cache->resetRate($name),
            ] as $way
        ) {
            try {
                $way("{$longest}n");
                self::fail('taken');
            } catch (InvalidArgument $exception) {
                self::assertStringContainsString('64000 bytes, and not 64001', $exception->getMessage());
            }
        }
    }

    public function test_a_lock_is_for_some_time(): void
    {
        foreach ([0, -1, NAN] as $ttl) {
            try {
                $this->cache->lock('none', $ttl);
                self::fail('taken');
            } catch (InvalidArgument) {
            }
        }
        $lock = $this->cache->lock(self::name(), 60);
        $this->expectException(InvalidArgument::class);
        $lock->extend(0);
    }
}
