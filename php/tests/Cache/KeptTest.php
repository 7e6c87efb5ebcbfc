<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Tests\Support\Children;
use PHPUnit\Framework\TestCase;

/** What locks, counters, makers and sessions have no room for. In processes of their own, which fill theirs. */
final class KeptTest extends TestCase
{
    private const SMALL = <<<'PHP'
        use Lyger\Cache\Store;
        use Lyger\Core\Engine;
        Engine::getInstance()->configure(Lyger\Config::resolve(['cache.bytes_max' => 1 << 20]));
        $cache = Store::default();
        PHP;

    /** @return array<string, mixed> */
    private static function in(string $code): array
    {
        [$said] = Children::run([self::SMALL . $code]);
        return json_decode($said, true, 512, JSON_THROW_ON_ERROR);
    }

    public function test_counters_without_room_say_so_and_leave_room_for_locks_and_values(): void
    {
        $said = self::in(<<<'PHP'
            $counted = 0;
            try {
                for (; $counted < 100_000; $counted++) {
                    $cache->rateLimit("login:$counted", 5, 60);
                }
                $text = 'none was refused';
            } catch (Lyger\Exception\CacheValueTooLarge $refused) {
                $text = $refused->getMessage();
            }
            $made = [];
            for ($n = 0; $n < 500; $n++) {
                $locks[] = $cache->lock("job $n", 60) ?? exit('no lock');
                $made[] = $cache->remember("page $n", 60, static fn () => $n);
            }
            $again = $cache->rateLimit('login:0', 5, 60)->count;
            $stats = $cache->stats();
            echo json_encode(['made' => $made === range(0, 499)] + compact('counted', 'text', 'again', 'stats'));
            PHP);
        self::assertStringContainsString('no more counters of rates have room', $said['text']);
        self::assertStringContainsString('cache.bytes_max', $said['text']);
        self::assertGreaterThan(20_000, $said['counted']);
        self::assertTrue($said['made']);
        self::assertSame(2, $said['again'], 'what is there is counted on');
        self::assertSame(1_572_864, $said['stats']['rate_bytes_max']);
        self::assertSame([1_179_648, 393_216], [$said['stats']['lock_bytes_max'], $said['stats']['flight_bytes_max']]);
        self::assertSame([0, 6_291_456], [$said['stats']['session_bytes'], $said['stats']['session_bytes_max']]);
        self::assertEqualsWithDelta(1_572_864, $said['stats']['rate_bytes'], 100_000);
        self::assertSame([500 * 40, 0], [$said['stats']['lock_bytes'], $said['stats']['flight_bytes']]);
    }

    public function test_without_room_for_makers_each_makes_its_value_and_the_first_one_stays(): void
    {
        $said = self::in(<<<'PHP'
            $driver = Engine::getInstance()->cache(null);
            for ($n = 0; $n < 100_000; $n++) {
                [, $token] = $driver->takeOff("maker $n", 60_000);
                if ($token >= 2 ** 53) {
                    break;
                }
            }
            $others = $driver->takeOff("maker $n", 60_000)[1];
            $first = $cache->remember("maker $n", 60, static function () use ($cache, $n) {
                $cache->remember("maker $n", 60, static fn () => 'first');
                return 'second';
            });
            $stays = $cache->get("maker $n");
            [, $late] = $driver->takeOff("maker x$n", 1);
            usleep(5_000);
            $lands = $driver->land("maker x$n", $late, 'late', Lyger\Cache\Expiry::ofTtl(60));
            $late = $late >= 2 ** 53;
            echo json_encode(compact('n', 'token', 'others', 'first', 'stays', 'late', 'lands'));
            PHP);
        self::assertGreaterThan(5_000, $said['n']);
        self::assertLessThan(100_000, $said['n']);
        self::assertGreaterThan(0, $said['others']);
        self::assertSame(['second', 'first'], [$said['first'], $said['stays']]);
        self::assertSame([true, false], [$said['late'], $said['lands']]);
    }

    public function test_sessions_without_room_say_so_and_those_that_are_there_go_on(): void
    {
        $said = self::in(<<<'PHP'
            $sessions = $cache->sessions();
            $data = str_repeat('x', 1_000);
            try {
                for ($n = 0; $n < 100_000; $n++) {
                    $sessions->write("visitor $n", 0, $data, 60_000);
                }
                $text = 'none was refused';
            } catch (Lyger\Exception\CacheValueTooLarge $refused) {
                $text = $refused->getMessage();
            }
            $token = $sessions->open('visitor 0', 60_000);
            $again = $sessions->write('visitor 0', $token, strrev($data), 60_000) && $sessions->touch('visitor 1', 100);
            for ($all = 0; $all < $n && $sessions->read("visitor $all") === $data; $all++) {
            }
            $others = $cache->lock('job', 60) !== null && $cache->rateLimit('login', 1, 60)->isAllowed();
            $stats = $cache->stats();
            echo json_encode(compact('n', 'text', 'again', 'all', 'others', 'stats'));
            PHP);
        self::assertStringContainsString('no more sessions have room', $said['text']);
        self::assertGreaterThan(5_000, $said['n']);
        self::assertSame([true, $said['n'], true], [$said['again'], $said['all'], $said['others']]);
        self::assertLessThanOrEqual($said['stats']['session_bytes_max'], $said['stats']['session_bytes']);
        self::assertGreaterThan(1_000 * $said['n'], $said['stats']['session_bytes']);
    }

    public function test_what_has_ended_makes_room(): void
    {
        $said = self::in(<<<'PHP'
            // Long names fill it before the first window ends.
            $name = static fn (string $of): string => str_pad($of, 10_000, '.');
            for ($n = 0; $n < 1_000; $n++) {
                try {
                    $cache->rateLimit($name("login:$n"), 5, 1.0);
                } catch (Lyger\Exception\CacheValueTooLarge) {
                    break;
                }
            }
            usleep(1_100_000);
            for ($more = 0; $more < 100; $more++) {
                $cache->rateLimit($name("later:$more"), 5, 60);
            }
            echo json_encode(compact('n', 'more'));
            PHP);
        self::assertLessThan(1_000, $said['n']);
        self::assertSame(100, $said['more']);
    }
}
