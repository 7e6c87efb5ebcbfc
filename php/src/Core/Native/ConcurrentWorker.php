<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use Lyger\Async\Operations;
use Lyger\Async\Scheduler;
use Lyger\Config;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Server\Guard;
use Lyger\Server\Lifeline;
use Lyger\Server\Runner;
use Lyger\Server\Session;
use Lyger\Server\Signals;
use Lyger\Server\Task;

/**
 * A worker that has several requests under way, each in a Fiber: while one waits (for a statement, or Lyger\Async)
 * others run.
 *
 *     take, unless all places are taken --> run it until it waits or ends --> go on with those whose time has come
 *
 * It never spins: with nothing to run it waits in one native call, for the next request, for a statement's end, or
 * until the first one wakes.
 *
 * exit() leaves the Fiber and then the loop, and PHP stops it nowhere on the way. So the answer is given on the way
 * out, and PHP's shutdown is where the loop goes on: the other requests end there, and then the worker takes one at a
 * time until the fleet has replaced it. Should another of those requests call exit() before, PHP does end, and what is
 * left is treated as a killed worker's: GET and HEAD are tried again.
 */
final class ConcurrentWorker
{
    private const NS_PER_MS = 1_000_000;

    /** @var array<int, array{Task, NativeSource}> by the request's id */
    private array $tasks = [];
    /** A handler has called exit(): what is under way ends, nothing is begun. */
    private bool $isLeft = false;
    private bool $isOver = false;

    private readonly int $timeoutNs;
    /** Requests under way at most. */
    private readonly int $concurrency;

    public function __construct(
        private readonly Abi $abi,
        private readonly Inbox $inbox,
        private readonly Runner $runner,
        private readonly Shift $shift,
        Config $config,
    ) {
        $this->concurrency = $config->int('concurrency');
        $this->timeoutNs = $config->int('request_timeout_ms') * self::NS_PER_MS;
    }

    public function run(): void
    {
        register_shutdown_function($this->shutDown(...));
        try {
            $this->loop();
        } finally {
            $this->isOver = true; // not reached at exit()
        }
    }

    private function loop(): void
    {
        while ($this->tasks !== [] || $this->mayTake()) {
            $waitNs = $this->waitNs();
            if ($this->mayTake() && count($this->tasks) < $this->concurrency) {
                $request = $this->inbox->take((int) ceil($waitNs / self::NS_PER_MS));
                if ($request !== null) {
                    $this->begin($request);
                }
                $waitNs = 0;
            }
            Operations::collect($waitNs);
            Signals::dispatch();
            $this->goOn();
        }
    }

    private function mayTake(): bool
    {
        return !$this->isLeft && !$this->inbox->isClosed() && !Session::isStuck();
    }

    /** How long nobody has anything to do, at most as long as signals may stay unheard. */
    private function waitNs(): int
    {
        $waitNs = Worker::WAIT_MS * self::NS_PER_MS;
        $nowNs = hrtime(true);
        foreach ($this->tasks as [$task]) {
            $waitNs = min($waitNs, max(0, $task->wakeNs() - $nowNs));
        }
        return $waitNs;
    }

    private function begin(NativeSource $request): void
    {
        $runner = clone $this->runner;
        $task = new Task($runner, function () use ($request, $runner): void {
            $guard = new Guard(fn () => $this->exited($request, $runner));
            try {
                $response = $runner->run(new Request($request));
            } finally {
                // Not reached at exit(): that skips `finally`.
                $guard->disarm();
            }
            $this->answer($request, $response);
        });
        $this->tasks[$request->id] = [$task, $request];
        $task->advance();
    }

    /** Those whose time has come, each until it waits again. */
    private function goOn(): void
    {
        $nowNs = hrtime(true);
        foreach ($this->tasks as [$task, $request]) {
            if ($task->wakeNs() <= $nowNs) {
                if (!$this->inbox->enter($request) && $nowNs - $task->sinceNs > $this->timeoutNs) {
                    // The front that gave it has died: nobody else knows that its time is over.
                    $this->shift->end();
                }
                $task->advance();
            }
        }
    }

    private function answer(NativeSource $request, Response $response): void
    {
        unset($this->tasks[$request->id]);
        $this->inbox->answer($request, $response);
        $this->shift->served();
    }

    /** On the way out of a handler that called exit(): what it wrote is the answer. */
    private function exited(NativeSource $request, Runner $runner): void
    {
        Scheduler::leave();
        Task::leave();
        $this->isLeft = true;
        $this->shift->end();
        $this->answer($request, $runner->exited());
    }

    private function shutDown(): void
    {
        if ($this->isOver) {
            return;
        }
        $this->isOver = true;
        $error = Lifeline::fatalError();
        if ($error !== null) {
            $this->died($error);
            return;
        }
        $this->isLeft = true;
        $this->loop();
        (new Worker($this->abi, $this->inbox, $this->runner, $this->shift))->run(true);
        // A handler's own exit code is not how the worker ended. After the application's own shutdown functions.
        register_shutdown_function(static fn (): never => exit(0));
    }

    /** @param array{message: string, file: string, line: int} $error */
    private function died(array $error): void
    {
        $message = Runner::oneLine("{$error['message']} in {$error['file']}:{$error['line']}");
        fwrite(STDERR, "The worker ends: $message\n");
        $current = Task::current();
        foreach ($this->tasks as [$task, $request]) {
            if ($task === $current) {
                $this->inbox->answer($request, $task->runner->died($error));
            }
        }
    }
}
