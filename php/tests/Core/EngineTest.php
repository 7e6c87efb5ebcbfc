<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\InvalidHandle;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\ServerFailed;
use PHPUnit\Framework\TestCase;
use ReflectionMethod;

/** Every method of the seeds, and their siblings that can report. */
final class EngineTest extends TestCase
{
    private Engine $engine;

    protected function setUp(): void
    {
        $this->engine = Engine::getInstance();
        $this->engine->cacheClear();
    }

    public function test_there_is_one_engine(): void
    {
        self::assertSame($this->engine, Engine::getInstance());
        $mode = getenv('LYGER_ENGINE') ?: 'auto';
        self::assertSame($this->engine->isNative() ? 'native' : 'php', $this->engine->name());
        self::assertSame($this->engine->isNative(), $this->engine->fallbackReason() === null);
        self::assertTrue(['required' => $this->engine->isNative(), 'php' => !$this->engine->isNative()][$mode] ?? true);
    }

    /** @dataProvider signatures */
    public function test_the_seeds_signatures_are_kept(string $method, string $signature): void
    {
        $reflection = new ReflectionMethod(Engine::class, $method);
        $parameters = [];
        foreach ($reflection->getParameters() as $parameter) {
            $default = $parameter->isDefaultValueAvailable() ? ' = ' . json_encode($parameter->getDefaultValue()) : '';
            $parameters[] = "{$parameter->getType()} \${$parameter->getName()}$default";
        }
        self::assertSame($signature, '(' . implode(', ', $parameters) . "): {$reflection->getReturnType()}");
    }

    public function signatures(): array
    {
        return [
            ['getInstance', '(): self'],
            ['helloWorld', '(): string'],
            ['heavyComputation', '(int $iterations = 1000000): float'],
            ['systemInfo', '(): string'],
            ['dbQuery', '(string $dsn, string $query, array $params = []): int'],
            ['jsonifyResult', '(int $ptr): string'],
            ['freeResult', '(int $ptr): void'],
            ['dbQueryJson', '(string $dsn, string $query, array $params = []): string'],
            ['cacheSet', '(string $key, string $value): void'],
            ['cacheGet', '(string $key): string'],
            ['cacheDelete', '(string $key): void'],
            ['cacheClear', '(): void'],
            ['cacheSize', '(): int'],
            ['startServer', '(callable $routerHandler, int $port = 8000): void'],
            ['stopServer', '(): void'],
        ];
    }

    public function test_the_greeting(): void
    {
        self::assertSame('Hello from Rust! 🦀', $this->engine->helloWorld());
    }

    public function test_heavy_computation_sums_within_its_error_bound(): void
    {
        foreach ([0, 1, 2, 3, 31, 32, 33, 1000, 100_001] as $iterations) {
            $sum = 0.0;
            $magnitude = 0.0;
            for ($i = 0; $i < $iterations; $i++) {
                $term = sqrt($i) * sin($i);
                $sum += $term;
                $magnitude += abs($term);
            }
            // The engine's bound is 4 eps; PHP's own loop, which rounds after each of n terms, gets the rest.
            $bound = PHP_FLOAT_EPSILON * (4 + sqrt($iterations)) * $magnitude;
            self::assertEqualsWithDelta($sum, $this->engine->heavyComputation($iterations), $bound, "$iterations");
        }
        foreach ([-1, PHP_INT_MIN, PHP_INT_MAX] as $iterations) {
            try {
                $this->engine->heavyComputation($iterations);
                self::fail("$iterations");
            } catch (InvalidArgument $exception) {
                self::assertSame((string) $iterations, $exception->value());
                self::assertStringContainsString((string) $iterations, $exception->getMessage());
            }
        }
    }

    public function test_a_setting_in_use_keeps_its_value_until_a_release(): void
    {
        $this->engine->cacheSet('a', '1');
        $this->engine->dbQueryJson('sqlite::memory:', 'SELECT 1');
        foreach (['db.result_bytes_max', 'cache.bytes_max'] as $key) {
            try {
                $this->engine->configure(Config::resolve([$key => 1000]));
                self::fail($key);
            } catch (InvalidConfig $exception) {
                self::assertStringContainsString("$key is 67108864 and in use", $exception->getMessage());
            }
        }
        $this->engine->configure(Config::resolve());
        $this->engine->release();
        $this->engine->configure(Config::resolve(['cache.bytes_max' => 1000]));
        try {
            $this->engine->cacheSet('a', str_repeat('x', 1001));
            self::fail('no exception');
        } catch (CacheValueTooLarge) {
        } finally {
            $this->engine->release();
            $this->engine->configure(Config::resolve());
        }
    }

    public function test_a_second_worker_is_refused_instead_of_forgotten(): void
    {
        $this->expectException(InvalidConfig::class);
        $this->expectExceptionMessage('workers is "2"');
        $this->engine->serve(static fn (): string => '', Config::resolve(['workers' => 2, 'port' => 0]));
    }

    public function test_system_info_has_what_the_seeds_print_and_more(): void
    {
        $info = json_decode($this->engine->systemInfo(), true);
        self::assertSame(['Lyger v0.1', 'running'], [$info['framework'], $info['status']]);
        self::assertIsString($info['tokio_runtime']);
        self::assertSame($this->engine->isNative(), $info['async_enabled']);
        self::assertGreaterThan(1 << 24, $info['total_memory']);
        self::assertSame(Engine::VERSION, $info['version']);
        self::assertSame(['plain', getmypid()], [$info['shape'], $info['pid']]);
        self::assertSame(1, $info['abi']);
        self::assertNotSame('', $info['kernels']);
        self::assertNotSame('', $info['cpu']);
        self::assertSame(
            [$this->engine->name(), $this->engine->fallbackReason()],
            [$info['engine'], $info['fallback']],
        );
    }

    public function test_without_a_server_there_is_none_to_stop(): void
    {
        $this->expectException(ServerFailed::class);
        $this->expectExceptionMessage('no server runs');
        $this->engine->stopServer();
    }

    public function test_a_result_lives_until_it_is_freed(): void
    {
        $result = $this->engine->dbQuery('sqlite::memory:', 'SELECT 1 AS one');
        $other = $this->engine->dbExecute('sqlite::memory:', 'SELECT ? AS two', ['zwei']);
        self::assertNotSame($result, $other);
        self::assertSame('[{"one":1}]', $this->engine->jsonifyResult($result));
        self::assertSame('[{"one":1}]', $this->engine->jsonifyResult($result), 'a second time');
        self::assertSame([['two' => 'zwei']], $this->engine->resultRows($other));
        self::assertSame([1, 1], [$this->engine->resultInfo($other)->rows, $this->engine->resultInfo($other)->columns]);
        $this->engine->freeResult($result);
        $this->engine->freeResult($other);
        foreach ([$result, $other, 0, -1, 1, 12345, PHP_INT_MAX] as $stale) {
            foreach (['jsonifyResult', 'resultRows', 'resultInfo', 'freeResult'] as $method) {
                try {
                    $this->engine->$method($stale);
                    self::fail("$method($stale)");
                } catch (InvalidHandle $exception) {
                    self::assertStringContainsString((string) $stale, $exception->getMessage());
                }
            }
        }
    }

    public function test_a_query_that_fails_throws_and_is_never_0_or_an_empty_list(): void
    {
        foreach (['dbQuery', 'dbQueryJson'] as $method) {
            try {
                $this->engine->$method('sqlite::memory:', 'SELEKT 1');
                self::fail($method);
            } catch (QueryFailed $exception) {
                self::assertStringContainsString('SELEKT', $exception->getMessage());
            }
        }
    }

    public function test_sql_may_hold_any_byte_that_the_database_takes(): void
    {
        self::assertSame("[{\"a\":\"x'y\"}]", $this->engine->dbQueryJson('sqlite::memory:', "SELECT 'x''y' AS a"));
        self::assertSame('[{"ü":"🦀"}]', $this->engine->dbQueryJson('sqlite::memory:', "SELECT '🦀' AS ü"));
    }

    public function test_the_cache_keeps_bytes(): void
    {
        self::assertSame(
            ['', null, 0],
            [$this->engine->cacheGet('a'), $this->engine->cacheFind('a'), $this->engine->cacheSize()],
        );
        $values = ['a' => '1', '' => 'empty key', "b\0c" => "\0\xff", '5' => '', 'ü' => str_repeat('x', 100_000)];
        foreach ($values as $key => $value) {
            $this->engine->cacheSet((string) $key, $value);
            self::assertSame($value, $this->engine->cacheFind((string) $key));
            self::assertSame($value, $this->engine->cacheGet((string) $key));
        }
        self::assertSame(5, $this->engine->cacheSize());
        $this->engine->cacheSet('a', '2');
        self::assertSame(['2', 5], [$this->engine->cacheGet('a'), $this->engine->cacheSize()]);
        $this->engine->cacheDelete('a');
        $this->engine->cacheDelete('a');
        self::assertSame([null, 4], [$this->engine->cacheFind('a'), $this->engine->cacheSize()]);
        self::assertSame([true, false], [$this->engine->cacheForget('5'), $this->engine->cacheForget('5')]);
        $this->engine->cacheClear();
        self::assertSame(0, $this->engine->cacheSize());
    }

    public function test_the_cache_refuses_what_could_never_fit(): void
    {
        try {
            $this->engine->cacheSet('a', str_repeat('x', 68_000_000));
            self::fail('no exception');
        } catch (CacheValueTooLarge) {
            self::assertNull($this->engine->cacheFind('a'));
        }
        $this->expectException(InvalidArgument::class);
        $this->engine->cacheSet(str_repeat('k', 65_537), 'x');
    }

    public function test_the_cache_stays_within_its_bytes(): void
    {
        for ($i = 0; $i < 100; $i++) {
            $this->engine->cacheSet("k$i", str_repeat('x', 1_000_000));
        }
        self::assertLessThanOrEqual(67, $this->engine->cacheSize());
        self::assertGreaterThanOrEqual(50, $this->engine->cacheSize());
    }

    public function test_nothing_is_leaked_from_call_to_call(): void
    {
        if (!is_readable('/proc/self/statm')) {
            self::markTestSkipped('runs on Linux, where /proc is');
        }
        $work = function (): void {
            for ($i = 0; $i < 20_000; $i++) {
                $this->engine->helloWorld();
                $this->engine->cacheSet('a', str_repeat('x', 1000));
                $this->engine->cacheGet('a');
                $this->engine->freeResult($this->engine->dbQuery('sqlite::memory:', 'SELECT 1 AS a'));
            }
        };
        $work();
        $pages = static fn (): int => (int) explode(' ', (string) file_get_contents('/proc/self/statm'))[1];
        $before = $pages();
        $work();
        // A string that isn't given back costs 100 bytes and more, a result a kilobyte.
        self::assertLessThan(300, $pages() - $before, 'pages of 4 KiB');
    }

    public function test_a_release_drops_everything_and_the_next_call_starts_anew(): void
    {
        $this->engine->cacheSet('a', '1');
        $result = $this->engine->dbQuery('sqlite::memory:', 'SELECT 1');
        $this->engine->release();
        self::assertNull($this->engine->cacheFind('a'));
        self::assertSame('[{"a":1}]', $this->engine->dbQueryJson('sqlite::memory:', 'SELECT 1 AS a'));
        $this->expectException(InvalidHandle::class);
        $this->engine->jsonifyResult($result);
    }
}
