<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\LocalCache;
use Lyger\Cache\Store;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidCacheKey;
use PHPUnit\Framework\TestCase;
use stdClass;

final class LocalCacheTest extends TestCase
{
    private Store $store;

    protected function setUp(): void
    {
        $this->store = Store::default();
        $this->store->clear();
    }

    public function test_what_others_change_is_seen_after_its_seconds(): void
    {
        $local = new LocalCache($this->store, 10, 0.03);
        $this->store->set('key', 'old');
        self::assertSame('old', $local->get('key'));
        $this->store->set('key', 'new');
        self::assertSame('old', $local->get('key'));
        self::assertSame(['key' => 'old', 'none' => 0], $local->getMultiple(['key', 'none'], 0));
        usleep(40_000);
        self::assertSame('new', $local->get('key'));
        $this->store->delete('key');
        self::assertTrue($local->has('key'));
        $local->forgetAll();
        self::assertFalse($local->has('key'));
    }

    public function test_what_this_process_changes_is_seen_at_once(): void
    {
        $local = new LocalCache($this->store, 10, 60.0);
        foreach ([1, [2], 'three'] as $value) {
            $local->set('key', $value);
            self::assertSame([$value, $value], [$local->get('key'), $local->get('key')]);
            self::assertSame($value, $this->store->get('key'));
        }
        $local->setMultiple(['key' => 4, 'more' => 5]);
        self::assertSame(['more' => 5, 'key' => 4], $local->getMultiple(['more', 'key']));
        $local->delete('key');
        $local->deleteMultiple(['more']);
        self::assertSame([null, null], [$local->get('key'), $local->get('more')]);
        $local->set('key', 1);
        $local->get('key');
        $local->clear();
        self::assertSame('none', $local->get('key', 'none'));
    }

    public function test_it_keeps_no_more_than_was_said_and_forgets_what_was_unused_for_longest(): void
    {
        $local = new LocalCache($this->store, 2, 60.0);
        $this->store->setMultiple(['a' => 1, 'b' => 1, 'c' => 1]);
        array_map($local->get(...), ['a', 'b', 'a', 'c']);
        $this->store->setMultiple(['a' => 2, 'b' => 2, 'c' => 2]);
        self::assertSame([1, 1, 2], array_map($local->get(...), ['a', 'c', 'b']));
    }

    public function test_whoever_changes_an_object_that_he_was_given_changes_his_own(): void
    {
        $local = new LocalCache($this->store, 10, 60.0);
        $local->set('key', (object) ['n' => 1]);
        $first = $local->get('key');
        self::assertInstanceOf(stdClass::class, $first);
        $first->n = 2;
        self::assertSame(1, $local->get('key')->n);
    }

    public function test_keys_of_a_generator_are_checked_as_they_are(): void
    {
        $local = new LocalCache($this->store, 10, 60.0);
        foreach ([1.5, null, true, 'a:b', ''] as $key) {
            try {
                $local->setMultiple((static fn () => yield $key => 'value')());
                self::fail('taken');
            } catch (InvalidCacheKey $exception) {
                self::assertSame(0, $this->store->size(), $exception->getMessage());
            }
        }
        self::assertTrue($local->setMultiple((static fn () => yield 7 => 'value')()));
        self::assertSame(['value', 'value'], [$local->get('7'), $this->store->get('7')]);
    }

    public function test_keys_and_limits_that_cannot_be_are_refused(): void
    {
        $local = new LocalCache($this->store);
        foreach (['', 'a:b', 7] as $key) {
            try {
                $local->get($key);
                self::fail('taken');
            } catch (InvalidCacheKey $exception) {
                self::assertNotSame('', $exception->getMessage());
            }
        }
        foreach ([[0, 1.0], [1, 0.0], [1, NAN]] as $limits) {
            try {
                new LocalCache($this->store, ...$limits);
                self::fail('taken');
            } catch (InvalidArgument) {
            }
        }
    }
}
