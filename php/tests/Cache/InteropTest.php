<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Cache\Condition;
use Lyger\Cache\Driver;
use Lyger\Cache\Expiry;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\LygerException;
use Lyger\Exception\NotANumber;
use Lyger\Tests\Support\BothEngines;
use Lyger\Tests\Support\RedisServer;
use PHPUnit\Framework\TestCase;

/** The native engine and pure PHP in one process: the same answers, and on one Redis the same names. */
final class InteropTest extends TestCase
{
    use BothEngines;

    public function test_ten_thousand_random_calls_are_answered_alike(): void
    {
        $drivers = [$this->native->cache(''), $this->php->cache('')];
        array_map(static fn (Driver $driver) => $driver->clear(), $drivers);
        mt_srand(6);
        for ($time = 0; $time < 10_000; $time++) {
            $call = self::randomCall();
            [$native, $php] = array_map(static fn (Driver $driver): mixed => self::answer($driver, $call), $drivers);
            self::assertSame($native, $php, "call $time: " . json_encode($call, JSON_PARTIAL_OUTPUT_ON_ERROR));
        }
        self::assertSame($drivers[0]->size(), $drivers[1]->size());
    }

    public function test_both_use_one_redis(): void
    {
        if (!RedisServer::isThere() || !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server and ext-redis are installed');
        }
        $server = new RedisServer();
        foreach (['', 'prefix=shop:', 'prefix={a}b'] as $options) {
            $native = $this->native->cache($server->dsn($options));
            $php = $this->php->cache($server->dsn($options));
            foreach ([[$native, $php], [$php, $native]] as [$one, $other]) {
                foreach (['plain', 'a{b}c', '}', 'x}y', "\xff\0"] as $name) {
                    $one->put($name, 'value', 60_000);
                    self::assertSame('value', $other->find($name));
                    self::assertTrue($other->delete($name));
                    $token = $one->lock($name, 60_000);
                    self::assertNull($other->lock($name, 60_000), "$options $name");
                    self::assertSame($token, $other->lockHolder($name));
                    self::assertTrue($other->extendLock($name, $token, 60_000) && $other->unlock($name, $token));
                    self::assertGreaterThan($token, $later = $other->lock($name, 60_000));
                    self::assertTrue($one->unlock($name, $later));
                    self::assertSame(1, $one->countRate($name, 60_000)[0]);
                    self::assertSame(2, $other->countRate($name, 60_000)[0]);
                    foreach ([$one->readRate($name), $other->readRate($name)] as [$count, $endsAt]) {
                        self::assertSame(2, $count);
                        self::assertThat($endsAt - Expiry::now(), self::logicalAnd(
                            self::greaterThan(30_000),
                            self::lessThanOrEqual(60_000),
                        ));
                    }
                    $other->resetRate($name);
                    [$value, $token] = $one->takeOff($name, 60_000);
                    self::assertSame([null, 0], [$value, $other->takeOff($name, 60_000)[1]]);
                    self::assertTrue($other->land($name, $token, 'made', Expiry::after(60_000)));
                    self::assertSame(['made', 0], $one->takeOff($name, 60_000));
                    $one->delete($name);
                }
            }
        }
    }

    public function test_both_read_the_same_dsns(): void
    {
        if (!extension_loaded('redis')) {
            self::markTestSkipped('runs where ext-redis is loaded');
        }
        foreach (RedisDsnTest::DSNS as $dsn => $reason) {
            $said = [];
            foreach ([$this->native, $this->php] as $engine) {
                try {
                    $engine->cache($dsn);
                    $said[] = null;
                } catch (InvalidDsn $exception) {
                    $said[] = $exception->getMessage();
                }
            }
            self::assertSame($said[0], $said[1], $dsn);
            self::assertSame($reason === null, $said[0] === null, $dsn);
        }
    }

    /** @return array{string, list<mixed>} */
    private static function randomCall(): array
    {
        $key = ['a', 'b', 'c', '', "\0\xff", '7'][mt_rand(0, 5)];
        $values = ['', '0', '41', '-3', '1.5', 'text', "\0\xff", str_repeat('long', 100), '9223372036854775807'];
        // What only Redis takes for a float, and what has its digits beyond a double's.
        $values = [...$values, '0x1p-3', '-inf', '1e-5', '5.1', '1e30', '-1e300', '0.3', '1e5000', '12345678.1234567'];
        $value = $values[mt_rand(0, 17)];
        $expiries = [Expiry::never(), Expiry::keep(), Expiry::after(3_600_000), Expiry::at(1), Expiry::after(0)];
        $expiry = $expiries[mt_rand(0, 4)];
        $condition = Condition::cases()[mt_rand(0, 2)];
        $number = [0, 1, -1, 3, -100, 100, PHP_INT_MAX, PHP_INT_MIN][mt_rand(0, 7)];
        $offset = [0, 1, 5, 300][mt_rand(0, 3)];
        return [
            ['find', [$key]],
            ['put', [$key, $value, [0, 3_600_000][mt_rand(0, 1)]]],
            ['set', [$key, $value, $condition, $expiry]],
            ['swap', [$key, $value, $condition, $expiry]],
            ['compareAndSet', [$key, $value, 'text']],
            ['delete', [$key]],
            ['exists', [$key]],
            ['expire', [$key, $expiry]],
            ['increment', [$key, $number]],
            ['incrementFloat', [$key, [0.5, -1.25, 1e22, 0.1, 3.0][mt_rand(0, 4)]]],
            ['append', [$key, $value]],
            ['range', [$key, $number, [0, 1, -1, 3, -100, 100, PHP_INT_MAX, PHP_INT_MIN][mt_rand(0, 7)]]],
            ['writeAt', [$key, $offset, $value]],
            ['take', [$key]],
            ['touch', [$key, $expiry]],
            ['getMany', [[$key, 'a', 'missing']]],
            ['setMany', [[[$key, $value], ['b', 'x'], [$key, 'last']], mt_rand(0, 1) === 1, $expiry]],
            ['deleteMany', [[$key, 'a', 'missing', 'a']]],
        ][mt_rand(0, 17)];
    }

    /** @param array{string, list<mixed>} $call */
    private static function answer(Driver $driver, array $call): mixed
    {
        [$method, $arguments] = $call;
        try {
            return $driver->$method(...$arguments);
        } catch (NotANumber $exception) {
            return $exception->getMessage();
        } catch (LygerException $exception) {
            return $exception::class;
        }
    }
}
