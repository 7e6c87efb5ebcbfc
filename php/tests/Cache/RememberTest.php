<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Closure;
use DomainException;
use Lyger\Async;
use Lyger\Cache\LocalCache;
use Lyger\Cache\Pool;
use Lyger\Cache\Store;
use Lyger\Core\Engine;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\Timeout;
use Lyger\Tests\Support\Children;
use Lyger\Tests\Support\RedisServer;
use PHPUnit\Framework\TestCase;

class RememberTest extends TestCase
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

    public function test_a_value_is_made_once_and_then_found(): void
    {
        $made = 0;
        $make = static function () use (&$made): array {
            return ['made' => ++$made];
        };
        self::assertSame(['made' => 1], $this->cache->remember('key', 60, $make));
        self::assertSame(['made' => 1], $this->cache->remember('key', 60, $make));
        self::assertEqualsWithDelta(60, $this->cache->ttl('key'), 30);
        $this->cache->delete('key');
        self::assertSame(['made' => 2], $this->cache->remember('key', null, $make));
        self::assertSame(INF, $this->cache->ttl('key'));
        self::assertNull($this->cache->remember('null', 60, static fn () => null));
        self::assertNull($this->cache->remember('null', 60, static fn () => 1), 'null is a value');
    }

    public function test_what_cannot_be_read_counts_as_missing_and_is_made_anew(): void
    {
        $log = tempnam(sys_get_temp_dir(), 'lyger');
        $before = ini_set('error_log', $log);
        try {
            $class = 'Vanished' . bin2hex(random_bytes(4));
            $text = "\0pO:16:\"$class\":0:{}";
            $cache = $this->cache->withAllowedClasses([]);
            foreach (['a', 'b', 'c'] as $key) {
                $cache->set($key, 'x');
                $cache->setRange($key, 0, $text);
            }
            self::assertSame('default', $cache->get('a', 'default'));
            self::assertSame(['a' => 1, 'b' => 1, 'd' => 1], $cache->getMultiple(['a', 'b', 'd'], 1));
            self::assertFalse((new Pool($cache))->getItem('b')->isHit());
            self::assertSame(2, (new LocalCache($cache))->get('c', 2));
            self::assertSame('made', $cache->remember('a', 60, static fn (): string => 'made'));
            self::assertSame('made', $cache->get('a'));
            self::assertSame(1, substr_count((string) file_get_contents($log), $class), 'each reason is told once');
        } finally {
            ini_set('error_log', (string) $before);
            unlink($log);
        }
    }

    public function test_exit_lets_another_make_it_at_once(): void
    {
        if (!RedisServer::isThere() || !Engine::getInstance()->isNative() && !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server is installed, and without the library ext-redis');
        }
        $server = new RedisServer();
        $started = hrtime(true);
        $dsn = var_export($server->dsn(), true);
        Children::run(["Lyger\\Cache\\Store::open($dsn)->remember('key', 60, static fn () => exit, patience: 60.0);"]);
        self::assertSame('mine', Store::open($server->dsn())->remember('key', 60, static fn (): string => 'mine'));
        self::assertLessThan(40.0, (hrtime(true) - $started) / 1e9);
    }

    public function test_what_was_set_while_a_value_was_made_stays(): void
    {
        $made = $this->cache->remember('key', 60, function (): string {
            $this->cache->set('key', 'newer');
            return 'older';
        });
        self::assertSame(['older', 'newer'], [$made, $this->cache->get('key')]);
    }

    public function test_an_exception_of_the_maker_is_the_callers_and_lets_another_make_it(): void
    {
        try {
            $this->cache->remember('key', 60, static fn () => throw new DomainException('mine'), patience: 5.0);
            self::fail('no exception');
        } catch (DomainException $exception) {
            self::assertSame('mine', $exception->getMessage());
        }
        self::assertSame(7, $this->cache->remember('key', 60, static fn (): int => 7));
    }

    public function test_what_cannot_be_kept_lets_another_make_it(): void
    {
        foreach ($this->whatHasNoPlace() as $make) {
            try {
                $this->cache->remember('key', 60, $make, patience: 5.0);
                self::fail('kept');
            } catch (InvalidArgument | CacheValueTooLarge) {
            }
        }
        self::assertSame(7, $this->cache->remember('key', 60, static fn (): int => 7));
    }

    /** @return list<Closure> */
    protected function whatHasNoPlace(): array
    {
        return [static fn (): Closure => strlen(...), static fn (): string => str_repeat('x', 68_000_000)];
    }

    public function test_what_is_to_be_kept_for_no_time_is_not(): void
    {
        self::assertSame(1, $this->cache->remember('key', 0, static fn (): int => 1));
        self::assertFalse($this->cache->has('key'));
        self::assertSame(2, $this->cache->remember('key', -1, static fn (): int => 2));
    }

    public function test_whoever_waits_for_himself_is_told_after_his_patience(): void
    {
        $inner = null;
        $this->cache->remember('key', 60, function () use (&$inner): int {
            try {
                $this->cache->remember('key', 60, static fn (): int => 1, patience: 0.02);
            } catch (Timeout $exception) {
                $inner = $exception;
            }
            return 2;
        });
        self::assertInstanceOf(Timeout::class, $inner);
        self::assertSame(2, $this->cache->get('key'));
    }

    public function test_after_the_patience_another_makes_it_and_who_was_late_stores_nothing(): void
    {
        $value = $this->cache->remember('key', 60, function (): string {
            usleep(30_000);
            self::assertSame('second', $this->cache->remember('key', 60, static fn (): string => 'second'));
            return 'first';
        }, patience: 0.02);
        self::assertSame('first', $value);
        self::assertSame('second', $this->cache->get('key'));
    }

    public function test_a_fiber_waits_while_another_makes_it(): void
    {
        $made = 0;
        $make = static function () use (&$made): int {
            Async::sleep(0.02);
            return ++$made;
        };
        $futures = [];
        for ($asker = 0; $asker < 5; $asker++) {
            $futures[] = \Lyger\async(fn (): int => $this->cache->remember('key', 60, $make));
        }
        self::assertSame([1, 1, 1, 1, 1], \Lyger\await($futures));
    }

    public function test_patience_is_a_time(): void
    {
        $this->expectException(InvalidArgument::class);
        $this->cache->remember('key', 60, static fn (): int => 1, patience: 0.0);
    }
}
