<?php

declare(strict_types=1);

namespace Lyger\Async;

use Closure;
use FiberError;
use Lyger\Exception\Cancelled;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\NeverDone;
use Lyger\Exception\Timeout;
use Lyger\Server\Lifeline;
use Lyger\Server\Runner;
use Lyger\Server\Task;
use SplMinHeap;
use Throwable;

/**
 * Runs what one request, or a script, began with async(), while that request or script waits for something itself.
 *
 *     await(), Async::sleep(), and in a Fiber a statement --> run those who can go on --> nobody can: wait for the
 *     engine, for the first sleeper, or (in a worker with several requests) let the other requests go on
 *
 * @internal
 */
final class Scheduler
{
    private static ?self $ofProcess = null;

    /** @var array<int, Strand> those that have not ended */
    private array $strands = [];
    /** @var list<Strand> those that can go on */
    private array $ready = [];
    /** @var SplMinHeap<array{int, int, Wait, Closure|null}> by time */
    private SplMinHeap $timers;
    private int $lastTimer = 0;
    /** What the flow that drives waits for. */
    private ?Wait $driving = null;
    /** Statements under way. */
    private int $operations = 0;
    /** @var array<int, array{Future, Throwable}> what failed and nobody has awaited, by the future's object id */
    private array $failures = [];

    private function __construct(private readonly ?Task $task)
    {
        $this->timers = new SplMinHeap();
    }

    /** That of the request that runs, or of the process. */
    public static function current(): self
    {
        $task = Task::current();
        if ($task !== null) {
            return $task->scheduler ??= new self($task);
        }
        return self::$ofProcess ??= self::first();
    }

    /** Whether the code that runs can be left while it waits: in a Fiber of async() or of a request. */
    public static function canLeave(): bool
    {
        $strand = Strand::current();
        return $strand !== null ? $strand->isHere() : Task::current()?->isHere() === true;
    }

    /** @param Closure(): mixed $work begins at once, and runs until it first waits */
    public function start(Closure $work): Future
    {
        $strand = new Strand($this, $work);
        $this->strands[$strand->number] = $strand;
        try {
            $strand->advance();
        } catch (FiberError) {
            $this->ready($strand); // within a destructor, before PHP 8.4
        }
        return $strand->future;
    }

    /**
     * @param array<mixed> $futures
     * @return array<mixed> their values, by the same keys in the same order
     */
    public function await(array $futures, ?float $timeoutSeconds): array
    {
        $wait = new Wait();
        $left = 0;
        foreach ($futures as $future) {
            $this->check($future);
            unset($this->failures[spl_object_id($future)]);
            if (!$future->isDone()) {
                $left++;
                $future->listen(static function () use ($future, $wait, &$left): void {
                    if (--$left === 0 || $future->failure() !== null) {
                        $wait->end();
                    }
                });
            }
        }
        $failed = static fn (): array => array_filter($futures, static fn (Future $one) => $one->failure() !== null);
        if ($left > 0 && $failed() === []) {
            $this->awaitOrCancel($wait, $futures, $timeoutSeconds);
        }
        foreach ($failed() as $future) {
            $failure = $future->failure();
            $this->cancelAll($futures);
            throw $failure;
        }
        return array_map(static fn (Future $future): mixed => $future->value(), $futures);
    }

    /** Waits until a time of hrtime(). */
    public function sleepUntil(int $untilNs): void
    {
        $wait = new Wait();
        $this->at($untilNs, $wait);
        $this->park($wait);
    }

    /** Lets others have a turn. */
    public function suspend(): void
    {
        $strand = Strand::current();
        if ($strand?->isHere() === true) {
            $this->sleepUntil(0);
            return;
        }
        $this->turn();
        if ($this->task?->pause(0) !== true) {
            Operations::collect(0);
        }
    }

    /** Waits for a statement. Only where canLeave() is true: nobody looks again. */
    public function awaitOperation(Wait $wait): void
    {
        $this->operations++;
        $strand = Strand::current();
        try {
            if ($strand === null || !$strand->suspend($wait)) {
                $this->drive($wait);
            }
        } finally {
            $this->operations--;
            $wait->isOver = true;
        }
    }

    /** Whether somebody can go on. */
    public function isAwake(): bool
    {
        return $this->ready !== [] || $this->driving?->isOver === true;
    }

    /** It can go on. */
    public function ready(Strand $strand): void
    {
        $this->ready[] = $strand;
    }

    /** It has ended. */
    public function forget(Strand $strand): void
    {
        unset($this->strands[$strand->number]);
    }

    public function failed(Future $future, Throwable $failure): void
    {
        $this->failures[spl_object_id($future)] = [$future, $failure];
    }

    /** The request or script has ended: what it began and nobody awaited is finished, and what failed goes to the log. */
    public static function finish(): void
    {
        $scheduler = self::existing();
        if ($scheduler === null) {
            return;
        }
        while ($scheduler->strands !== []) {
            $futures = array_map(static fn (Strand $strand): Future => $strand->future, $scheduler->strands);
            try {
                foreach ($futures as $future) {
                    $wait = new Wait();
                    $future->isDone() ? $wait->end() : $future->listen($wait->end(...));
                    $scheduler->park($wait);
                }
            } catch (NeverDone $failure) {
                error_log(Runner::oneLine("work that nobody awaits was cancelled: {$failure->getMessage()}"));
                $scheduler->drop();
            }
        }
        $scheduler->tellFailures();
    }

    /** The request or script has failed: what it began is cancelled. */
    public static function abandon(): void
    {
        $scheduler = self::existing();
        if ($scheduler !== null) {
            $scheduler->drop();
            $scheduler->tellFailures();
        }
    }

    /** After exit(), which PHP lets no Fiber survive: those that wait don't go on. */
    public static function leave(): void
    {
        Strand::leave();
        $scheduler = self::existing();
        if ($scheduler !== null) {
            Operations::abandon($scheduler);
            [$scheduler->strands, $scheduler->ready] = [[], []];
        }
    }

    private static function existing(): ?self
    {
        $task = Task::current();
        return $task === null ? self::$ofProcess : $task->scheduler;
    }

    private static function first(): self
    {
        $pid = getmypid();
        register_shutdown_function(static function () use ($pid): void {
            if (getmypid() !== $pid || self::$ofProcess === null) {
                return;
            }
            if (Lifeline::fatalError() !== null || Strand::current() !== null) {
                self::leave();
            } else {
                self::finish();
            }
        });
        return new self(null);
    }

    private function check(mixed $future): void
    {
        if (!$future instanceof Future) {
            throw InvalidArgument::because('await() takes what async() gives, and not ' . get_debug_type($future));
        }
        if (!$future->isOf($this)) {
            throw InvalidArgument::because('this was begun by another request, which alone can await it');
        }
        if ($future->isHere()) {
            throw NeverDone::itself();
        }
    }

    /** @param array<Future> $futures */
    private function awaitOrCancel(Wait $wait, array $futures, ?float $timeoutSeconds): void
    {
        $isLate = false;
        if ($timeoutSeconds !== null) {
            $limit = new Wait();
            $timeoutNs = (int) ceil(max(0.0, $timeoutSeconds) * 1e9);
            $this->at(hrtime(true) + $timeoutNs, $limit, static function () use ($wait, &$isLate): void {
                $isLate = !$wait->isOver;
                $wait->end();
            });
        }
        try {
            $this->park($wait);
        } catch (Cancelled $cancelled) {
            $this->cancelAll($futures);
            throw $cancelled;
        } finally {
            if (isset($limit)) {
                $limit->isOver = true;
            }
        }
        if ($isLate) {
            $this->cancelAll($futures);
            throw Timeout::after('what was awaited', (int) ceil($timeoutSeconds * 1000));
        }
    }

    /** @param array<Future> $futures */
    private function cancelAll(array $futures): void
    {
        foreach ($futures as $future) {
            $future->cancel();
            unset($this->failures[spl_object_id($future)]);
        }
    }

    private function drop(): void
    {
        // Each may go on after the first time, to put things in order, but nobody waits for that twice.
        foreach ($this->strands as $strand) {
            $strand->cancel();
        }
        for ($turn = 0; $this->strands !== [] && $turn < 2; $turn++) {
            try {
                $this->turn();
                foreach ($this->strands as $strand) {
                    $wait = new Wait();
                    $strand->future->listen($wait->end(...));
                    $this->park($wait);
                }
            } catch (NeverDone) {
                foreach ($this->strands as $strand) {
                    $strand->cancel();
                }
            }
        }
        $this->strands = $this->ready = [];
    }

    private function tellFailures(): void
    {
        foreach ($this->failures as [, $failure]) {
            error_log(Runner::oneLine("work that nobody awaited has failed: $failure"));
        }
        $this->failures = [];
    }

    /** @param Closure(): void|null $then instead of the end of the wait */
    private function at(int $untilNs, Wait $wait, ?Closure $then = null): void
    {
        $this->timers->insert([$untilNs, ++$this->lastTimer, $wait, $then]);
    }

    /** Returns when it is over. */
    private function park(Wait $wait): void
    {
        $strand = Strand::current();
        try {
            if ($strand?->isHere() !== true || !$strand->suspend($wait)) {
                $this->drive($wait);
            }
        } finally {
            $wait->isOver = true; // one that was cancelled too: its timer wakes nobody
        }
    }

    private function drive(Wait $wait): void
    {
        [$outer, $this->driving] = [$this->driving, $wait];
        try {
            while (!$wait->isOver) {
                $hasRun = $this->turn();
                if (!$wait->isOver) {
                    $this->idle($hasRun);
                }
            }
        } finally {
            $this->driving = $outer;
        }
    }

    /** Runs those who can go on, each until it waits; whether they all could. */
    private function turn(): bool
    {
        [$ready, $this->ready] = [$this->ready, []];
        try {
            foreach ($ready as $at => $strand) {
                $strand->advance();
            }
            return true;
        } catch (FiberError) {
            // Within a destructor, before PHP 8.4.
            array_unshift($this->ready, ...array_slice($ready, $at));
            return false;
        }
    }

    /** Waits until somebody can go on. */
    private function idle(bool $mayRun): void
    {
        $nowNs = hrtime(true);
        $untilNs = $mayRun && $this->ready !== [] ? 0 : null;
        while (!$this->timers->isEmpty()) {
            [$atNs, , $wait, $then] = $this->timers->top();
            if (!$wait->isOver && $atNs > $nowNs) {
                $untilNs ??= $atNs;
                break;
            }
            $this->timers->extract();
            if (!$wait->isOver) {
                $then !== null ? $then() : $wait->end();
                $untilNs = 0;
            }
        }
        if ($untilNs === null && $this->operations === 0) {
            throw NeverDone::nothing();
        }
        if ($this->driving?->isOver === true) {
            return;
        }
        if ($this->task?->pause($untilNs ?? PHP_INT_MAX) !== true) {
            Operations::collect($untilNs === null ? PHP_INT_MAX : $untilNs - $nowNs);
        }
    }
}
