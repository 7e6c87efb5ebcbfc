<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\Store;
use Lyger\Core\Engine;
use Lyger\Tests\Support\Children;
use Lyger\Tests\Support\RedisServer;
use PHPUnit\Framework\TestCase;

/** Several processes on one cache. Those of a fleet are in tests/chaos/shared_cache.rs. */
final class SharingTest extends TestCase
{
    private RedisServer $server;

    protected function setUp(): void
    {
        if (!RedisServer::isThere() || !Engine::getInstance()->isNative() && !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server is installed, and without the library ext-redis');
        }
        $this->server = new RedisServer();
    }

    private function code(string $code): string
    {
        return '$cache = Lyger\Cache\Store::open(' . var_export($this->server->dsn(), true) . ");\n$code";
    }

    public function test_of_several_processes_one_makes_a_value(): void
    {
        $code = $this->code('echo $cache->remember("key", 60, function () use ($cache) {
            $cache->increment("made");
            usleep(200_000);
            return "value";
        });');
        self::assertSame(['value', 'value', 'value'], Children::run([$code, $code, $code]));
        self::assertSame(1, Store::open($this->server->dsn())->get('made'));
    }

    public function test_after_the_makers_death_another_makes_it(): void
    {
        $cache = Store::open($this->server->dsn());
        $maker = Children::begin($this->code('$cache->remember("key", 60, function () use ($cache) {
            $cache->set("begun", 1);
            posix_kill(getmypid(), SIGKILL);
        }, patience: 0.3);'));
        Children::end($maker);
        self::assertSame(1, $cache->get('begun'));
        self::assertSame('mine', $cache->remember('key', 60, static fn (): string => 'mine'));
    }

    public function test_counts_of_several_processes_add_up_and_a_lock_has_one_holder(): void
    {
        $code = $this->code('for ($i = 0; $i < 200; $i++) {
            $lock = $cache->lock("l", 60, wait: 60.0);
            $n = $cache->get("n", 0);
            $cache->set("n", $n + 1);
            $lock->release();
            $cache->increment("m");
        }');
        Children::run([$code, $code]);
        $cache = Store::open($this->server->dsn());
        self::assertSame([400, 400], [$cache->get('n'), $cache->get('m')]);
    }
}
