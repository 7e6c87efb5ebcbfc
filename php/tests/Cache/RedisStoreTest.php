<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\Store;
use Lyger\Exception\CacheFailed;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidDsn;
use Lyger\Tests\Support\OverRedis;
use Lyger\Tests\Support\RedisServer;
use Redis;

final class RedisStoreTest extends StoreTest
{
    use OverRedis;

    /** A server's figures are its own. */
    public function test_the_store_describes_itself(): void
    {
        $this->cache->set('a', 1);
        self::assertSame(['keys' => 1], $this->cache->stats());
        self::assertSame(1, $this->cache->size());
    }

    public function test_a_rate_ends_by_the_clock_of_who_asks(): void
    {
        exec('command -v cc', $output, $code);
        if ($code !== 0) {
            self::markTestSkipped('runs where cc is installed, for a server with another clock');
        }
        foreach ([-86_400, 86_400] as $seconds) {
            $server = new RedisServer($seconds);
            $theirs = (int) shell_exec('redis-cli -s ' . escapeshellarg($server->socket) . ' time');
            self::assertLessThan(1_000, abs($theirs - time() - $seconds), 'its clock differs by that');
            $cache = Store::open($server->dsn());
            $cache->rateLimit('login', 1, 3_600);
            foreach ([$cache->rateLimit('login', 1, 3_600), $cache->readRate('login', 1)] as $limit) {
                self::assertThat(
                    $limit->retryAfter(),
                    self::logicalAnd(self::greaterThan(1_800), self::lessThanOrEqual(3_600)),
                );
            }
        }
    }

    public function test_a_value_without_room_is_an_error_and_the_one_before_stays(): void
    {
        $server = new RedisServer();
        exec('redis-cli -s ' . escapeshellarg($server->socket) . ' config set maxmemory 3mb');
        $small = Store::open($server->dsn());
        $small->set('key', 'before');
        try {
            $small->set('key', str_repeat('x', 4_000_000));
            self::fail('taken');
        } catch (CacheValueTooLarge) {
            self::assertSame('before', $small->get('key'));
        }
    }

    public function test_another_client_sees_text_and_numbers_and_the_store_sees_its(): void
    {
        if (!extension_loaded('redis')) {
            self::markTestSkipped('runs where ext-redis is loaded');
        }
        $redis = new Redis();
        $redis->connect(self::$server->socket);
        $this->cache->setMultiple(['text' => 'hello', 'count' => 41]);
        self::assertSame('hello', $redis->get('test.text'));
        self::assertSame(42, $redis->incr('test.count'));
        self::assertSame(42, $this->cache->get('count'));
        $redis->set('test.name', 'Ada');
        $redis->lPush('test.list', 'x');
        self::assertSame('Ada', $this->cache->get('name'));
        $redis->set('foreign', 'stays');
        try {
            $this->cache->get('list');
            self::fail('a list is no value');
        } catch (CacheFailed $exception) {
            self::assertStringContainsString('WRONGTYPE', $exception->getMessage());
        }
        $lock = $this->cache->lock('held', 60);
        $this->cache->clear();
        self::assertSame('stays', $redis->get('foreign'), 'without the prefix');
        self::assertTrue($lock->isHeld());
        $this->expectException(InvalidArgument::class);
        $this->cache->anyKeys()->get("\0lyger:lock");
    }

    public function test_a_server_that_is_not_there_and_a_dsn_that_cannot_be_read_are_told(): void
    {
        try {
            Store::open('redis://:secret@127.0.0.1:1')->get('key');
            self::fail('connected');
        } catch (ConnectionFailed $exception) {
            self::assertStringContainsString('127.0.0.1:1', $exception->getMessage());
            self::assertStringNotContainsString('secret', $exception->getMessage());
        }
        foreach (['oracle://h', 'redis://h:x', 'redis://h?color=red', 'redis://h/x'] as $dsn) {
            try {
                Store::open($dsn)->get('key');
                self::fail($dsn);
            } catch (InvalidDsn $exception) {
                self::assertStringContainsString('DSN', $exception->getMessage());
            }
        }
    }
}
