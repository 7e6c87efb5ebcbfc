<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Closure;
use Lyger\Cache\Store;
use Lyger\Core\Engine;
use Lyger\Tests\Support\Children;
use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;

/** What PHP keeps of the engine's table to answer with: never what the table no longer says. */
final class CopiesTest extends TestCase
{
    /** So often a value is read, so that the next read is a copy's: ValueCopies takes one of sixteen. */
    private const READS = 40;

    private Store $cache;

    protected function setUp(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: pure PHP has no table to copy from');
        }
        $this->cache = Store::default();
        $this->cache->clear();
    }

    private function read(string $key): mixed
    {
        for ($read = 1; $read < self::READS; $read++) {
            $this->cache->get($key);
        }
        return $this->cache->get($key);
    }

    /** @return array<string, array{Closure(Store): mixed, mixed}> */
    public static function changes(): array
    {
        return [
            'set' => [static fn (Store $cache) => $cache->set('key', 'new'), 'new'],
            'set with a time' => [static fn (Store $cache) => $cache->set('key', 'new', 60), 'new'],
            'delete' => [static fn (Store $cache) => $cache->delete('key'), null],
            'clear' => [static fn (Store $cache) => $cache->clear(), null],
            'setMultiple' => [static fn (Store $cache) => $cache->setMultiple(['key' => 'new', 'b' => 1]), 'new'],
            'deleteMultiple' => [static fn (Store $cache) => $cache->deleteMultiple(['a', 'key']), null],
            'replace' => [static fn (Store $cache) => $cache->replace('key', 'new'), 'new'],
            'swap' => [static fn (Store $cache) => $cache->swap('key', 'new'), 'new'],
            'pull' => [static fn (Store $cache) => $cache->pull('key'), null],
            'update' => [static fn (Store $cache) => $cache->update('key', 'new'), 'new'],
            'compareAndSet' => [static fn (Store $cache) => $cache->compareAndSet('key', 'old text', 'new'), 'new'],
            'expire at once' => [static fn (Store $cache) => $cache->expire('key', 0), null],
            'append' => [static fn (Store $cache) => $cache->append('key', ' and new'), 'old text and new'],
            'setRange' => [static fn (Store $cache) => $cache->setRange('key', 4, 'TEXT'), 'old TEXT'],
            'a value too long for the buffer' => [
                static fn (Store $cache) => $cache->set('key', str_repeat('x', 100_000)),
                str_repeat('x', 100_000),
            ],
        ];
    }

    /** @dataProvider changes */
    public function test_no_change_is_missed(Closure $change, mixed $after): void
    {
        $this->cache->set('key', 'old text');
        self::assertSame('old text', $this->read('key'));
        $change($this->cache);
        self::assertSame($after, $this->cache->get('key'));
    }

    public function test_a_counter_is_read_as_it_is(): void
    {
        $this->cache->set('n', 7);
        self::assertSame(7, $this->read('n'));
        for ($n = 8; $n < 200; $n++) {
            $this->cache->increment('n');
            self::assertSame($n, $this->cache->get('n'));
        }
    }

    public function test_a_copy_ends_with_its_value_s_time(): void
    {
        $this->cache->set('key', 'text', 0.2);
        $this->read('key');
        usleep(250_000);
        self::assertNull($this->cache->get('key'));

        $this->cache->set('key', 'text', 60);
        self::assertSame('text', $this->read('key'));
        $this->cache->expire('key', 0.05);
        $this->read('key');
        usleep(100_000);
        self::assertNull($this->cache->get('key'));
    }

    public function test_what_redis_clients_change_is_seen_at_once(): void
    {
        if (!extension_loaded('redis')) {
            self::markTestSkipped('runs where ext-redis is loaded');
        }
        $engine = Engine::getInstance();
        $port = $engine->startResp(['listen' => '127.0.0.1:0']);
        try {
            $redis = new \Redis();
            $redis->connect('127.0.0.1', $port);
            for ($n = 0; $n < 50; $n++) {
                $redis->set('key', "value $n");
                self::assertSame("value $n", $this->read('key'));
            }
            $redis->flushAll();
            self::assertNull($this->cache->get('key'));
        } finally {
            $engine->stopResp();
        }
    }

    public function test_what_one_worker_changes_the_other_sees_at_once(): void
    {
        $server = ServerProcess::rawr(['--workers=2'], [], 'cache');
        try {
            $pids = [];
            for ($round = 0; $round < 30; $round++) {
                $server->ask('GET', "/put/key/$round");
                // At once, so that both are asked.
                $asked = array_map(fn (): mixed => $server->begin('GET', '/get/key'), range(1, 24));
                foreach ($asked as $socket) {
                    $answer = $server->finish($socket)->json();
                    self::assertSame((string) $round, (string) $answer['found']['value']);
                    $pids[$answer['pid']] = true;
                }
            }
            self::assertCount(2, $pids, 'both workers have answered');
        } finally {
            $server->stop();
        }
    }

    public function test_they_are_bounded_and_can_be_none(): void
    {
        foreach ([0 => 100_000, 1_048_576 => 3_000_000] as $bytesMax => $grown) {
            $code = <<<'PHP'
                $engine = Lyger\Core\Engine::getInstance();
                $engine->configure(Lyger\Config::resolve(['cache.copies_bytes_max' => (int) '%s']));
                $cache = Lyger\Cache\Store::default();
                for ($n = 0; $n < 5_000; $n++) {
                    $cache->set("key.$n", str_repeat('x', 1_000));
                }
                $cache->get('key.0');
                $before = memory_get_usage();
                for ($round = 0; $round < 30; $round++) {
                    for ($n = 0; $n < 5_000; $n++) {
                        $cache->get("key.$n") === str_repeat('x', 1_000) || exit("key.$n is another's");
                    }
                }
                $grown = memory_get_usage() - $before;
                echo $grown;
                PHP;
            [$printed] = Children::run([sprintf($code, $bytesMax)]);
            self::assertMatchesRegularExpression('/^-?\d+$/D', $printed);
            self::assertLessThan($grown, (int) $printed, "with $bytesMax bytes");
            if ($bytesMax > 0) {
                self::assertGreaterThan(100_000, (int) $printed, 'there are copies');
            }
        }
    }

    public function test_reads_of_copies_count_as_hits(): void
    {
        $this->cache->set('key', 'text');
        $before = $this->cache->stats();
        for ($read = 0; $read < 10_000; $read++) {
            $this->cache->get('key');
        }
        $this->cache->delete('key');
        $this->cache->get('key');
        $after = $this->cache->stats();
        self::assertEqualsWithDelta(10_000, $after['hits'] - $before['hits'], 200);
        self::assertSame(1, $after['misses'] - $before['misses']);
    }

    public function test_a_released_engine_s_values_are_gone(): void
    {
        [$printed] = Children::run([<<<'PHP'
            $engine = Lyger\Core\Engine::getInstance();
            $engine->cacheSet('key', 'text');
            for ($n = 0; $n < 50; $n++) {
                $engine->cacheFind('key');
            }
            $cache = Lyger\Cache\Store::default();
            $engine->release();
            echo json_encode([$cache->get('key'), $engine->cacheFind('key')]);
            PHP]);
        self::assertSame('[null,null]', $printed);
    }

    public function test_a_forked_child_has_none_of_its_parents(): void
    {
        if (!function_exists('pcntl_fork')) {
            self::markTestSkipped('runs where ext-pcntl is loaded');
        }
        [$printed] = Children::run([<<<'PHP'
            $cache = Lyger\Cache\Store::default();
            $cache->set('key', 'text');
            for ($n = 0; $n < 50; $n++) {
                $cache->get('key');
            }
            if (pcntl_fork() === 0) {
                try {
                    echo $cache->get('key');
                } catch (Lyger\Exception\WrongProcess $exception) {
                    echo 'refused ';
                }
                exit;
            }
            pcntl_wait($status);
            echo $cache->get('key');
            PHP]);
        self::assertSame('refused text', $printed);
    }
}
