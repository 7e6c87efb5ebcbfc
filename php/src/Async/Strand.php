<?php

declare(strict_types=1);

namespace Lyger\Async;

use Closure;
use Fiber;
use FiberError;
use Lyger\Database\Client;
use Lyger\Exception\Cancelled;
use Throwable;

/**
 * Work that async() began, in a Fiber of its own, and a client of the databases of its own.
 *
 *     begun --advance()--> running --suspend()--> waiting --wake(), advance()--> running --> ended
 *
 * What always holds: it runs within the flow of whoever began it (a request, a script), while that one waits.
 *
 * @internal
 */
final class Strand
{
    private static ?self $current = null;
    private static int $last = 0;

    /** Names its client to the engine; 0 is what runs outside of any. */
    public readonly int $number;
    public readonly Future $future;
    /** Set by its first statement. */
    public ?Client $client = null;
    private readonly Fiber $fiber;
    private bool $isAwake = true;
    /** What is thrown where it waits next. */
    private ?Cancelled $thrown = null;

    public function __construct(private readonly Scheduler $scheduler, Closure $work)
    {
        $this->number = ++self::$last;
        $this->future = new Future($this, $scheduler);
        $this->fiber = new Fiber(function () use ($work): void {
            [$value, $failure] = [null, null];
            try {
                $value = $work();
            } catch (Throwable $thrown) {
                $failure = $thrown;
            }
            Client::end();
            $this->scheduler->forget($this);
            $this->future->settle($value, $failure);
        });
    }

    public static function current(): ?self
    {
        return self::$current;
    }

    /** The running one's; 0 outside of any. */
    public static function number(): int
    {
        return self::$current === null ? 0 : self::$current->number;
    }

    /** None runs any more: the one that did was left by exit(). */
    public static function leave(): void
    {
        self::$current = null;
    }

    /** Whether its own code runs, and not a Fiber within it. */
    public function isHere(): bool
    {
        return self::$current === $this && Fiber::getCurrent() === $this->fiber;
    }

    /**
     * Runs it until it waits or has ended, if it doesn't wait already.
     *
     * @throws FiberError where PHP changes no Fibers: before 8.4 in a destructor
     */
    public function advance(): void
    {
        if (!$this->isAwake || $this->fiber->isRunning()) {
            return;
        }
        $outer = self::$current;
        $thrown = $this->thrown;
        self::$current = $this;
        $this->isAwake = false;
        $this->thrown = null;
        try {
            match (true) {
                !$this->fiber->isStarted() => $this->fiber->start(),
                $thrown !== null => $this->fiber->throw($thrown),
                default => $this->fiber->resume(),
            };
        } catch (FiberError $error) {
            [$this->isAwake, $this->thrown] = [true, $thrown];
            throw $error;
        } finally {
            self::$current = $outer;
        }
    }

    /** It has something to do. */
    public function wake(): void
    {
        if (!$this->isAwake) {
            $this->isAwake = true;
            $this->scheduler->ready($this);
        }
    }

    /** For its own code. False, at once, where PHP can't leave it. */
    public function suspend(Wait $wait): bool
    {
        if ($this->thrown !== null) {
            [$thrown, $this->thrown] = [$this->thrown, null];
            throw $thrown;
        }
        $wait->strand = $this;
        try {
            while (!$wait->isOver) {
                Fiber::suspend();
            }
            return true;
        } catch (FiberError) {
            return false;
        } finally {
            $wait->strand = null;
        }
    }

    /** Cancelled is thrown where it waits, now; where it runs, at its next wait. */
    public function cancel(): void
    {
        if ($this->fiber->isTerminated()) {
            return;
        }
        $this->thrown ??= Cancelled::work();
        if ($this->fiber->isSuspended()) {
            $this->isAwake = true;
            try {
                $this->advance();
            } catch (FiberError) {
                $this->scheduler->ready($this);
            }
        }
    }
}
