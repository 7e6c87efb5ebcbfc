<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Closure;
use Lyger\Cache\Driver;
use Lyger\Cache\Expiry;
use Lyger\Cache\Fallback\RedisCache;
use Lyger\Exception\CacheFailed;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\LygerException;
use Lyger\Exception\Timeout;
use Lyger\Tests\Support\RedisServer;
use PHPUnit\Framework\TestCase;
use Redis;
use ReflectionMethod;

/** A Redis by ext-redis: what happens to its one connection. */
final class RedisFallbackTest extends TestCase
{
    private RedisServer $server;
    private Redis $admin;
    private Driver $cache;

    protected function setUp(): void
    {
        if (!RedisServer::isThere() || !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server and ext-redis are installed');
        }
        $this->server = new RedisServer();
        $this->admin = new Redis();
        $this->admin->connect($this->server->socket);
        $this->cache = RedisCache::open($this->server->dsn());
    }

    protected function tearDown(): void
    {
        // PHPUnit keeps this object until all tests have run.
        unset($this->cache, $this->admin, $this->server);
    }

    public function test_a_transaction_that_the_full_server_refuses_leaves_nothing_open(): void
    {
        $ways = [
            fn () => $this->cache->lock('name', 60_000),
            fn () => $this->cache->countRate('name', 60_000),
            fn () => $this->cache->setMany([['a', '1']], false, Expiry::never()),
        ];
        foreach ($ways as $at => $way) {
            $this->admin->config('SET', 'maxmemory', '1');
            $failure = self::failure($way);
            self::assertInstanceOf(CacheValueTooLarge::class, $failure);
            self::assertStringContainsString('the cache is full: OOM', $failure->getMessage());
            $this->admin->config('SET', 'maxmemory', '0');
            $this->cache->put('key', "value $at", 0);
            self::assertSame("value $at", $this->admin->get('key'));
            self::assertSame("value $at", $this->cache->find('key'));
        }
        self::assertIsInt($this->cache->lock('name', 60_000));
    }

    public function test_nothing_gets_out_beside_the_exception_which_is_one_line(): void
    {
        $said = [];
        set_error_handler(static function (int $level, string $message) use (&$said): bool {
            $said[] = $message;
            return true;
        });
        try {
            foreach (['redis://%s', 'rediss://%s', 'rediss://%s?insecure=yes'] as $dsn) {
                [$process, $at] = self::serverThatSays("HTTP/1.1 400 Bad Request\r\n\r\n");
                $failure = self::failure(static fn () => RedisCache::open(sprintf($dsn, $at))->put('key', 'value', 0));
                proc_terminate($process);
                self::assertInstanceOf(ConnectionFailed::class, $failure);
                self::assertStringContainsString($at, $failure->getMessage());
                self::assertDoesNotMatchRegularExpression('/[\r\n]/', $failure->getMessage());
            }
            self::assertStringContainsString('SSL', $failure->getMessage(), 'what it warned of is told');
        } finally {
            restore_error_handler();
        }
        self::assertSame([], $said);
    }

    public function test_a_node_of_a_cluster_says_what_it_is(): void
    {
        [$process, $at] = self::serverThatSays("-MOVED 3999 127.0.0.1:6381\r\n");
        $failure = self::failure(static fn () => RedisCache::open("redis://$at")->put('key', 'value', 0));
        proc_terminate($process);
        self::assertInstanceOf(InvalidDsn::class, $failure);
        self::assertStringContainsString("$at is a node of a cluster", $failure->getMessage());
        self::assertStringContainsString('redis-cluster://', $failure->getMessage());
    }

    /** @return array{resource, string} the process that says it to whoever sends something, and its address */
    private static function serverThatSays(string $answer): array
    {
        $code = '$door = stream_socket_server("tcp://127.0.0.1:0"); echo stream_socket_get_name($door, false), "\n";'
            . 'while ($client = stream_socket_accept($door, 60)) { fread($client, 4096); fwrite($client, $argv[1]); }';
        $process = proc_open([PHP_BINARY, '-r', $code, '--', $answer], [1 => ['pipe', 'w']], $pipes);
        self::assertIsResource($process);
        return [$process, trim((string) fgets($pipes[1]))];
    }

    public function test_a_connection_that_is_lost_amid_a_transaction_is_not_replaced(): void
    {
        $this->cache->put('key', 'before', 0);
        $decide = new ReflectionMethod($this->cache, 'decide');
        $failure = self::failure(fn () => $decide->invoke($this->cache, ['key'], function (): array {
            $this->killOthers();
            $this->admin->set('key', 'of another');
            return [['SET', 'key', 'unwatched']];
        }));
        self::assertInstanceOf(ConnectionFailed::class, $failure);
        self::assertStringContainsString('broke', $failure->getMessage());
        self::assertSame('of another', $this->admin->get('key'));
        self::assertSame('of another', $this->cache->find('key'));
    }

    public function test_an_idle_connection_that_the_server_closed_is_replaced(): void
    {
        $uses = [
            fn () => $this->cache->put('key', 'value', 0),
            fn () => self::assertSame('value', $this->cache->find('key')),
            fn () => self::assertTrue($this->cache->compareAndSet('key', 'value', 'other')),
            fn () => self::assertSame(1, $this->cache->countRate('rate', 60_000)[0]),
        ];
        $this->cache->exists('key');
        foreach ($uses as $use) {
            self::assertSame(1, $this->killOthers());
            $use();
        }
    }

    public function test_only_what_changes_nothing_is_asked_again_when_its_answer_is_lost(): void
    {
        if (!extension_loaded('posix')) {
            self::markTestSkipped('runs where ext-posix is loaded');
        }
        $ways = [
            // There is no connection, or one more that a dying server's socket has taken.
            '~^(?!.*is unknown)~s' => fn () => $this->cache->find('key'),
            '~whether it was carried out is unknown~' => fn () => $this->cache->put('key', 'value', 0),
        ];
        foreach ($ways as $message => $way) {
            $this->setUp();
            $this->cache->exists('key');
            $pid = (int) $this->admin->info('server')['process_id'];
            // It takes the question, and dies before it answers: there is nobody whom it could be asked again.
            posix_kill($pid, SIGSTOP);
            $process = proc_open(['sh', '-c', "sleep 0.2; kill -KILL $pid"], [], $pipes);
            $failure = self::failure($way);
            proc_close($process);
            self::assertInstanceOf(ConnectionFailed::class, $failure);
            self::assertMatchesRegularExpression($message, $failure->getMessage());
        }
    }

    public function test_what_the_server_refuses_comes_in_its_words(): void
    {
        $this->admin->rawCommand('ACL', 'SETUSER', 'ada', 'on', '>pw', '~*', '+get');
        $cache = RedisCache::open("redis://ada:pw@{$this->server->socket}");
        self::assertNull($cache->find('key'));
        $failure = self::failure(fn () => $cache->put('key', 'value', 0));
        self::assertInstanceOf(CacheFailed::class, $failure);
        self::assertStringStartsWith('the cache refuses: NOPERM', $failure->getMessage());
        $this->admin->config('SET', 'min-replicas-to-write', '1');
        $failure = self::failure(fn () => $this->cache->put('key', 'value', 0));
        self::assertInstanceOf(CacheFailed::class, $failure);
        self::assertStringStartsWith('the cache refuses: NOREPLICAS', $failure->getMessage());
        $this->admin->config('SET', 'min-replicas-to-write', '0');
        $this->cache->put('key', 'value', 0);
        self::assertSame('value', $this->cache->find('key'));
    }

    public function test_a_server_that_is_late_is_a_timeout(): void
    {
        $cache = RedisCache::open($this->server->dsn('timeout_ms=50'));
        self::assertNull($cache->find('key'));
        $this->admin->rawCommand('CLIENT', 'PAUSE', '60000', 'ALL');
        $failure = self::failure(fn () => $cache->put('key', 'value', 0));
        self::assertInstanceOf(Timeout::class, $failure);
        self::assertStringContainsString('took longer than 50 ms; whether', $failure->getMessage());
    }

    public function test_a_database_or_a_login_that_is_none_is_refused(): void
    {
        $failure = self::failure(fn () => RedisCache::open($this->server->dsn('db=99'))->clear());
        self::assertInstanceOf(CacheFailed::class, $failure);
        self::assertStringContainsString('DB index is out of range', $failure->getMessage());
        $failures = [
            self::failure(fn () => RedisCache::open("redis://eve:secret@{$this->server->socket}")->find('key')),
            // It wants none.
            self::failure(fn () => RedisCache::open("redis://:secret@{$this->server->socket}")->find('key')),
        ];
        $this->admin->config('SET', 'requirepass', 'other');
        $failures[] = self::failure(fn () => RedisCache::open($this->server->dsn())->find('key'));
        foreach ($failures as $failure) {
            self::assertInstanceOf(ConnectionFailed::class, $failure);
            self::assertStringContainsString('refuses the login: ', $failure->getMessage());
            self::assertStringNotContainsString('secret', $failure->getMessage());
        }
    }

    public function test_the_holder_of_a_lock_is_one_who_has_it(): void
    {
        $token = $this->cache->lock('name', 60_000);
        self::assertSame($token, $this->cache->lockHolder('name'));
        $this->admin->config('SET', 'maxmemory', '1');
        self::assertSame($token, $this->cache->lockHolder('name'), 'a full server can be asked');
        $this->admin->config('SET', 'maxmemory', '0');
        self::assertTrue($this->cache->unlock('name', $token));
        self::assertNull($this->cache->lockHolder('name'));
    }

    /** How many. */
    private function killOthers(): int
    {
        return $this->admin->rawCommand('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }

    private static function failure(Closure $use): LygerException
    {
        try {
            $use();
        } catch (LygerException $failure) {
            return $failure;
        }
        self::fail('it was done');
    }
}
