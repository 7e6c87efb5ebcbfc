<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Core\Engine;
use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;

/** What the workers of `rawr serve` share. */
final class FleetTest extends TestCase
{
    private ServerProcess $server;

    protected function setUp(): void
    {
        if (!Engine::getInstance()->isNative() || PHP_OS_FAMILY !== 'Linux') {
            self::markTestSkipped('runs in the half with the library, on Linux');
        }
        $this->server = ServerProcess::rawr(['--workers=2'], [], 'cache');
    }

    protected function tearDown(): void
    {
        if (isset($this->server)) {
            $this->server->stop();
        }
    }

    /** @return array<string, mixed> */
    private function ask(string $target): array
    {
        return $this->server->ask('GET', $target)->json();
    }

    /** Keeps one worker busy while $work runs, so that the other one answers. */
    private function beside(callable $work): int
    {
        $waiting = $this->server->begin('GET', '/until/release');
        while ($this->ask('/get/waits.release')['found'] === null) {
            usleep(2_000);
        }
        $work();
        $this->ask('/put/release/now');
        return $this->server->finish($waiting)->json()['pid'];
    }

    public function test_what_one_worker_puts_the_other_one_finds(): void
    {
        $pids = [];
        $busy = $this->beside(function () use (&$pids): void {
            $pids[] = $this->ask('/put/key/blue')['pid'];
            $pids[] = $this->ask('/lock')['pid'];
        });
        self::assertNotContains($busy, $pids);
        self::assertCount(1, array_unique($pids));
        // Asked until the one that was busy answers: it sees the value, and that the lock is another's.
        for ($found = []; ($found['pid'] ?? 0) !== $busy; $found = $this->ask('/get/key')) {
        }
        self::assertSame(['value' => 'blue', 'by' => $pids[0]], $found['found']);
        for ($lock = []; ($lock['pid'] ?? 0) !== $busy; $lock = $this->ask('/lock')) {
        }
        self::assertNull($lock['token']);
    }

    public function test_two_workers_that_want_a_value_make_it_once(): void
    {
        $asked = [$this->server->begin('GET', '/remember'), $this->server->begin('GET', '/remember')];
        [$one, $other] = array_map(fn (mixed $socket): array => $this->server->finish($socket)->json(), $asked);
        self::assertSame($one['value'], $other['value']);
        self::assertSame(1, $this->ask('/get/made')['found']);
    }

    public function test_what_a_killed_worker_was_to_make_another_one_makes(): void
    {
        // A GET that was killed is run once more, so both workers may die of it.
        $this->server->ask('GET', '/die');
        self::assertSame('made by another', $this->ask('/after')['value']);
        self::assertSame(1, $this->ask('/get/begun')['found']);
    }
}
