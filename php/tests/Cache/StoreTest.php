<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use DateInterval;
use DateTimeImmutable;
use Generator;
use Lyger\Cache\Store;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidCacheKey;
use Lyger\Exception\NotANumber;
use Lyger\Tests\Support\Children;
use PHPUnit\Framework\TestCase;
use Psr\SimpleCache\CacheInterface;
use Psr\SimpleCache\InvalidArgumentException;
use stdClass;

/** The cache as a program sees it, by whichever engine runs this half. */
class StoreTest extends TestCase
{
    protected Store $cache;

    protected function open(): Store
    {
        return Store::default();
    }

    protected function setUp(): void
    {
        $this->cache = $this->open();
        $this->cache->clear();
    }

    /** @return array<string, array{mixed}> */
    public static function values(): array
    {
        $object = new stdClass();
        $object->list = [1, null, $object];
        $numbers = [0, 1, -1, 42, PHP_INT_MAX, PHP_INT_MIN, 0.0, -0.0, 1.5, 2.0, -0.1, 0.1 + 0.2, 1e300, 1e-300, INF];
        $numbers = [...$numbers, 1e-5, -2.5e-7, 1e-20, 1.2345e17, 123456789012345678.0, -9e18, 1e19, 1.5e-300, NAN];
        $texts = ['', 'text', 'ünïcode', "\0", "\0p", "\0\0\0\2\0", "a\0b", "\xff\xfe", str_repeat('x', 200_000)];
        $like = ['0', '5', '-7', '007', '-0', '1.5', '1.50', '1e3', ' 1', "1\n", '+1', '.5', '5.', '-0.0'];
        $like = [...$like, '99999999999999999999', '9223372036854775807'];
        $like = [...$like, '9223372036854775808', '1.00000000000000000001'];
        $like[] = 'N;';
        $others = [null, true, false, [], [1, 'two' => [3.0, null]], new stdClass(), $object];
        $others[] = new DateTimeImmutable('2024-02-29 12:00:00.123456', new \DateTimeZone('Europe/Berlin'));
        $cases = [];
        foreach ([...$numbers, ...$texts, ...$like, ...$others] as $value) {
            $name = get_debug_type($value) . ' ' . substr((string) @json_encode($value), 0, 40) . ' ' . count($cases);
            $cases[$name] = [$value];
        }
        return $cases;
    }

    /** @dataProvider values */
    public function test_what_comes_back_is_what_was_put_with_its_type(mixed $value): void
    {
        foreach ([$this->cache, $this->cache->withoutIgbinary()] as $cache) {
            $cache->set('key', $value);
            $found = $cache->get('key', $this);
            if (is_object($value)) {
                self::assertEquals($value, $found);
                self::assertInstanceOf($value::class, $found);
            } else {
                self::assertSame(var_export($value, true), var_export($found, true));
            }
            self::assertTrue($cache->has('key'));
        }
    }

    public function test_values_that_count_are_text_and_strings_are_their_bytes(): void
    {
        $bytes = function (mixed $value): string {
            $this->cache->set('key', $value);
            return $this->cache->getRange('key', 0, -1);
        };
        self::assertSame(['42', '-1.5', '2.0', 'hello'], array_map($bytes, [42, -1.5, 2.0, 'hello']));
        self::assertStringStartsWith("\0", $bytes('42'));
    }

    /** @dataProvider floats */
    public function test_floats_count_however_php_writes_them(float $value, string $text): void
    {
        $this->cache->set('f', $value);
        self::assertSame($text, $this->cache->getRange('f', 0, -1));
        self::assertSame($value + 1.0, $this->cache->incrementFloat('f', 1.0));
    }

    /** @return list<array{float, string}> */
    public static function floats(): array
    {
        return [
            [1e-5, '0.00001'], [-2.5e-7, '-0.00000025'], [1.5, '1.5'], [1e17, '100000000000000000.0'],
            [1.2345e17, '123450000000000000.0'], [-9e18, '-9000000000000000000.0'],
        ];
    }

    public function test_what_is_no_value_is_refused(): void
    {
        $self = [1];
        $self[] = &$self;
        $this->cache->set('key', 'before');
        $wrong = [STDERR, [STDERR], ['a' => ['b' => [STDERR]]], static fn (): int => 1];
        foreach ([$this->cache, $this->cache->withoutIgbinary()] as $cache) {
            foreach ($wrong as $value) {
                try {
                    $cache->set('key', $value);
                    self::fail('taken');
                } catch (InvalidArgument) {
                    self::assertSame('before', $cache->get('key'));
                }
            }
            $cache->set('self', $self);
            self::assertSame(1, $cache->get('self')[1][0]);
        }
        $this->expectException(InvalidArgument::class);
        $this->cache->set('key', 1, NAN);
    }

    public function test_a_key_that_is_not_there_is_the_default(): void
    {
        self::assertNull($this->cache->get('missing'));
        self::assertSame('x', $this->cache->get('missing', 'x'));
        self::assertFalse($this->cache->has('missing'));
        self::assertTrue($this->cache->delete('missing'));
    }

    /** @return array<string, array{mixed}> */
    public static function wrongKeys(): array
    {
        $keys = ['', 'a{b', 'a}b', 'a(b', 'a)b', 'a/b', 'a\\b', 'a@b', 'a:b', str_repeat('k', 65_537)];
        $keys = [...$keys, 7, null, 1.5, []];
        $names = array_map(static fn (mixed $key): string => substr((string) json_encode($key), 0, 20), $keys);
        return array_combine($names, array_chunk($keys, 1));
    }

    /** @dataProvider wrongKeys */
    public function test_every_way_in_refuses_keys_that_psr_16_reserves(mixed $key): void
    {
        $ways = [
            fn () => $this->cache->get($key),
            fn () => $this->cache->set($key, 1),
            fn () => $this->cache->has($key),
            fn () => $this->cache->delete($key),
            fn () => $this->cache->getMultiple(['good', $key]),
            fn () => $this->cache->deleteMultiple(['good', $key]),
        ];
        foreach ($ways as $way) {
            try {
                $way();
                self::fail('taken');
            } catch (InvalidCacheKey $exception) {
                self::assertInstanceOf(InvalidArgumentException::class, $exception);
                self::assertInstanceOf(\Psr\Cache\InvalidArgumentException::class, $exception);
            }
        }
    }

    public function test_any_bytes_are_a_key_where_that_is_asked_for(): void
    {
        $cache = $this->cache->anyKeys();
        foreach (['', 'user:7', "\0\xff", '{a}', '5'] as $key) {
            $cache->set($key, $key);
            self::assertSame($key, $cache->get($key));
        }
        self::assertSame(5, $cache->size());
    }

    public function test_a_time_to_live_ends(): void
    {
        $this->cache->set('short', 1, 0.05);
        $this->cache->set('interval', 1, new DateInterval('PT1H'));
        $this->cache->set('long', 1, 3_600);
        $this->cache->set('for ever', 1);
        self::assertSame([1, 1], [$this->cache->get('short'), $this->cache->get('interval')]);
        self::assertEqualsWithDelta(3_600, $this->cache->ttl('interval'), 60);
        self::assertEqualsWithDelta(3_600, $this->cache->ttl('long'), 60);
        self::assertSame(INF, $this->cache->ttl('for ever'));
        self::assertNull($this->cache->ttl('missing'));
        usleep(60_000);
        self::assertNull($this->cache->get('short'));
        self::assertFalse($this->cache->has('short'));
        foreach ([0, -1, new DateInterval('PT0S')] as $past) {
            $this->cache->set('long', 2, $past);
            self::assertNull($this->cache->get('long'));
            $this->cache->set('long', 1);
        }
    }

    public function test_room_is_made_as_quickly_after_many_small_values(): void
    {
        $started = hrtime(true);
        $printed = Children::run([<<<'PHP'
            ini_set('memory_limit', '1G');
            $cache = Lyger\Cache\Store::default();
            for ($n = 0; $n < 400_000; $n++) {
                $cache->set("small.$n", 1, 60);
            }
            for ($n = 0; $n < 40_000; $n++) {
                $cache->set("large.$n", str_repeat('x', 2_000));
            }
            echo $cache->has('large.39999') ? 'done' : 'lost';
            PHP]);
        self::assertSame(['done'], $printed);
        // A second or two. Where each eviction passes the places of all before it, minutes.
        self::assertLessThan(40.0, (hrtime(true) - $started) / 1e9);
    }

    public function test_an_expiry_is_changed_kept_and_taken_off(): void
    {
        $this->cache->set('key', 'a', 100);
        $this->cache->update('key', 'b');
        self::assertEqualsWithDelta(100, $this->cache->ttl('key'), 60);
        self::assertTrue($this->cache->expire('key', 1_000));
        self::assertEqualsWithDelta(1_000, $this->cache->ttl('key'), 60);
        self::assertSame('b', $this->cache->touch('key', 5_000));
        self::assertEqualsWithDelta(5_000, $this->cache->ttl('key'), 60);
        self::assertTrue($this->cache->persist('key'));
        self::assertSame(INF, $this->cache->ttl('key'));
        self::assertTrue($this->cache->expire('key', 0));
        self::assertFalse($this->cache->expire('key', 1) || $this->cache->persist('key') || $this->cache->has('key'));
        self::assertSame('none', $this->cache->touch('key', 1, 'none'));
    }

    public function test_many_keys_go_together(): void
    {
        $keys = (static function (): Generator {
            yield 'a';
            yield 'b';
            yield '7';
        })();
        self::assertTrue($this->cache->setMultiple(['a' => 1, 'b' => [2], '7' => 'seven']));
        self::assertSame(['a' => 1, 'b' => [2], 7 => 'seven'], $this->cache->getMultiple($keys));
        self::assertSame(['x' => 0, 'a' => 1], $this->cache->getMultiple(['x', 'a'], 0));
        self::assertFalse($this->cache->addMultiple(['c' => 1, 'a' => 9]));
        self::assertFalse($this->cache->has('c'));
        self::assertTrue($this->cache->addMultiple(['c' => 1, 'd' => 2], 60));
        self::assertTrue($this->cache->deleteMultiple(['a', 'nobody', '7']));
        self::assertSame(['a' => null, '7' => null], $this->cache->getMultiple(['a', '7']));
        self::assertSame([], $this->cache->getMultiple([]));
        self::assertTrue($this->cache->setMultiple([]) && $this->cache->deleteMultiple([]));
        $this->cache->setMultiple(['b' => 1], -1);
        self::assertFalse($this->cache->has('b'));
        foreach (['getMultiple', 'setMultiple', 'deleteMultiple'] as $method) {
            try {
                $this->cache->$method('no list');
                self::fail($method);
            } catch (InvalidCacheKey) {
            }
        }
        // More than the engine's buffer holds.
        $large = array_fill_keys(array_map(static fn (int $n) => "large$n", range(0, 99)), str_repeat('v', 5_000));
        $this->cache->setMultiple($large);
        self::assertSame($large, $this->cache->getMultiple(array_keys($large)));
    }

    public function test_values_are_put_under_conditions_and_taken_away(): void
    {
        self::assertFalse($this->cache->replace('key', 0));
        self::assertTrue($this->cache->add('key', 'one'));
        self::assertFalse($this->cache->add('key', 'two'));
        self::assertTrue($this->cache->replace('key', 'two', 60));
        self::assertSame('two', $this->cache->swap('key', [3]));
        self::assertSame('default', $this->cache->swap('new', str_repeat('x', 100_000), default: 'default'));
        self::assertSame(100_000, strlen((string) $this->cache->swap('new', 1)));
        self::assertFalse($this->cache->compareAndSet('key', [4], [5]));
        self::assertTrue($this->cache->compareAndSet('key', [3], [5]));
        self::assertFalse($this->cache->compareAndSet('missing', null, 1));
        self::assertSame([5], $this->cache->pull('key'));
        self::assertSame('gone', $this->cache->pull('key', 'gone'));
        $this->cache->set('key', str_repeat('y', 100_000));
        self::assertSame(100_000, strlen($this->cache->pull('key')));
    }

    public function test_numbers_count(): void
    {
        self::assertSame([5, 6, 4], [
            $this->cache->increment('n', 5),
            $this->cache->increment('n'),
            $this->cache->decrement('n', 2),
        ]);
        self::assertSame(4, $this->cache->get('n'));
        $this->cache->set('f', 1.5, 100);
        self::assertSame(1.75, $this->cache->incrementFloat('f', 0.25));
        self::assertSame(1.75, $this->cache->get('f'));
        self::assertEqualsWithDelta(100, $this->cache->ttl('f'), 60);
        self::assertSame(4.5, $this->cache->incrementFloat('n', 0.5));
        self::assertSame(-0.5, $this->cache->incrementFloat('g', -0.5));
        $this->cache->set('text', 'abc');
        $this->cache->set('large', PHP_INT_MAX);
        $wrong = [
            fn () => $this->cache->increment('text'),
            fn () => $this->cache->increment('n'),
            fn () => $this->cache->increment('large'),
            fn () => $this->cache->incrementFloat('text', 1),
            fn () => $this->cache->incrementFloat('f', INF),
        ];
        foreach ($wrong as $at => $attempt) {
            try {
                $attempt();
                self::fail("$at");
            } catch (NotANumber $exception) {
                self::assertNotSame('', $exception->getMessage());
            }
        }
        self::assertSame(['abc', PHP_INT_MAX, 1.75], array_map($this->cache->get(...), ['text', 'large', 'f']));
        $this->expectException(InvalidArgument::class);
        $this->cache->decrement('n', PHP_INT_MIN);
    }

    public function test_parts_of_strings(): void
    {
        self::assertSame([3, 6], [$this->cache->append('s', 'abc'), $this->cache->append('s', 'def')]);
        $ranges = [[0, -1], [1, 2], [-2, -1], [4, 100], [3, 2], [-1, -2], [-100, 1], [100, 200], [0, -100]];
        $parts = array_map(fn (array $range): string => $this->cache->getRange('s', ...$range), $ranges);
        self::assertSame(['abcdef', 'bc', 'ef', 'ef', '', '', 'ab', '', 'a'], $parts);
        self::assertSame(8, $this->cache->setRange('s', 7, 'x'));
        self::assertSame("abcdef\0x", $this->cache->get('s'));
        self::assertSame(8, $this->cache->setRange('s', 100, ''));
        self::assertSame([2, "\0y"], [$this->cache->setRange('t', 1, 'y'), $this->cache->getRange('t', 0, -1)]);
        self::assertSame('', $this->cache->getRange('missing', 0, -1));
        foreach ([-1, PHP_INT_MAX] as $offset) {
            try {
                $this->cache->setRange('s', $offset, 'x');
                self::fail("$offset");
            } catch (InvalidArgument | CacheValueTooLarge) {
            }
        }
    }

    public function test_a_scan_tells_every_key_that_stays(): void
    {
        $keys = array_map(static fn (int $n): string => "key$n", range(1, 2_000));
        $this->cache->setMultiple(array_fill_keys($keys, 1));
        $this->cache->set('expired', 1, 0.001);
        usleep(5_000);
        $told = [];
        foreach ($this->cache->scan() as $key) {
            $told[$key] = true;
            // Others come and go meanwhile.
            $this->cache->set("new$key", 1);
            $this->cache->delete("new$key");
        }
        self::assertSame([], array_diff($keys, array_keys($told)));
        self::assertArrayNotHasKey('expired', $told);
        self::assertCount(1_111, array_unique(iterator_to_array($this->cache->scan('key1'), false)));
    }

    public function test_the_store_describes_itself(): void
    {
        $this->cache->set('a', 'x');
        $this->cache->get('a');
        $this->cache->get('b');
        $stats = $this->cache->stats();
        self::assertSame(1, $stats['keys']);
        self::assertSame(67_108_864, $stats['bytes_max']);
        self::assertGreaterThan(0, $stats['hits']);
        self::assertGreaterThan(0, $stats['misses']);
        self::assertSame(1, $this->cache->size());
        self::assertInstanceOf(CacheInterface::class, $this->cache);
    }

    public function test_a_value_without_room_is_an_error_and_the_one_before_stays(): void
    {
        $this->cache->set('key', 'before');
        try {
            $this->cache->set('key', str_repeat('x', 68_000_000));
            self::fail('taken');
        } catch (CacheValueTooLarge) {
            self::assertSame('before', $this->cache->get('key'));
        }
    }

    public function test_a_rate_is_limited_within_its_window(): void
    {
        $name = 'login:' . bin2hex(random_bytes(8));
        $allowed = array_map(fn (): bool => $this->cache->rateLimit($name, 2, 60)->isAllowed(), range(1, 4));
        self::assertSame([true, true, false, false], $allowed);
        $limit = $this->cache->readRate($name, 2);
        self::assertSame([4, 0, false], [$limit->count, $limit->remaining(), $limit->isAllowed()]);
        self::assertThat($limit->retryAfter(), self::logicalAnd(self::greaterThan(0), self::lessThanOrEqual(60)));
        $this->cache->clear();
        self::assertSame(4, $this->cache->readRate($name, 2)->count, 'nothing forgets it');
        $this->cache->resetRate($name);
        $limit = $this->cache->readRate($name, 2);
        self::assertSame([0, 2, 0], [$limit->count, $limit->remaining(), $limit->retryAfter()]);
        self::assertSame(1, $this->cache->rateLimit($name, 1, 0.05)->count);
        usleep(60_000);
        self::assertTrue($this->cache->rateLimit($name, 1, 0.05)->isAllowed());
    }
}
