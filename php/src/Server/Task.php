<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;
use Fiber;
use FiberError;
use Lyger\Async\Scheduler;
use Lyger\Database\Client;

/**
 * A request under way in a Fiber of its own, in a worker that has several: see Lyger\Core\Native\ConcurrentWorker.
 *
 *     started --advance()--> running --pause()--> waiting --advance()--> running --> ended
 */
final class Task
{
    private static ?self $current = null;
    private readonly Fiber $fiber;
    private int $wakeNs = 0;
    /** What it has begun with async(), if anything. */
    public ?Scheduler $scheduler = null;
    /** That of its own code, set by its first statement. */
    public ?Client $client = null;
    /** When it came, on hrtime()'s clock. */
    public readonly int $sinceNs;

    /** @param Closure(): void $work */
    public function __construct(public readonly Runner $runner, Closure $work)
    {
        $this->fiber = new Fiber($work);
        $this->sinceNs = hrtime(true);
    }

    /** The one that runs. Null in the loop between them, and where one request is handled at a time. */
    public static function current(): ?self
    {
        return self::$current;
    }

    /** None runs any more: the one that did was left by exit(). */
    public static function leave(): void
    {
        self::$current = null;
    }

    /** Runs it until it waits or has ended. Doesn't return when it calls exit(). */
    public function advance(): void
    {
        self::$current = $this;
        $this->fiber->isStarted() ? $this->fiber->resume() : $this->fiber->start();
        self::$current = null;
    }

    public function hasEnded(): bool
    {
        return $this->fiber->isTerminated();
    }

    /** Whether its own code runs, and not a Fiber within it. */
    public function isHere(): bool
    {
        return self::$current === $this && Fiber::getCurrent() === $this->fiber;
    }

    /** When it wants to go on, on hrtime()'s clock; 0 where what it waits for is there. */
    public function wakeNs(): int
    {
        return $this->scheduler?->isAwake() === true ? 0 : $this->wakeNs;
    }

    /** For its own code: lets others run until then, or until its scheduler can go on. False, at once, when it can't be left now. */
    public function pause(int $wakeNs): bool
    {
        if (Fiber::getCurrent() !== $this->fiber || !$this->runner->pause()) {
            return false;
        }
        $this->wakeNs = $wakeNs;
        try {
            Fiber::suspend();
            return true;
        } catch (FiberError) {
            return false; // within a destructor, before PHP 8.4
        } finally {
            $this->runner->resume();
        }
    }
}
