<?php

declare(strict_types=1);

namespace Lyger\Async;

use Closure;
use Lyger\Exception\Cancelled;
use Lyger\Exception\Timeout;
use Throwable;

/** What async() has begun, and what becomes of it. */
final class Future
{
    private bool $isDone = false;
    private mixed $value = null;
    private ?Throwable $failure = null;
    /** @var list<Closure(): void> */
    private array $listeners = [];

    /** @internal async() makes them. */
    public function __construct(private readonly Strand $strand, private readonly Scheduler $scheduler)
    {
    }

    /** Whether it has returned or thrown, or was cancelled. */
    public function isDone(): bool
    {
        return $this->isDone;
    }

    /**
     * Waits for what it returns; what it throws is thrown here.
     *
     * @throws Timeout after $timeoutSeconds, when it has been cancelled
     */
    public function await(?float $timeoutSeconds = null): mixed
    {
        return Scheduler::current()->await([$this], $timeoutSeconds)[0];
    }

    /**
     * Ends it: where it waits Lyger\Exception\Cancelled is thrown, and a statement that it waits for is stopped on its
     * server. It may catch that and go on, for what it has to put in order. Once it is done this does nothing.
     */
    public function cancel(): void
    {
        if (!$this->isDone) {
            $this->strand->cancel();
        }
    }

    /** @internal */
    public function settle(mixed $value, ?Throwable $failure): void
    {
        $this->isDone = true;
        [$this->value, $this->failure] = [$value, $failure];
        if ($failure !== null && !$failure instanceof Cancelled) {
            $this->scheduler->failed($this, $failure);
        }
        [$listeners, $this->listeners] = [$this->listeners, []];
        foreach ($listeners as $listener) {
            $listener();
        }
    }

    /**
     * @internal
     * @param Closure(): void $listener
     */
    public function listen(Closure $listener): void
    {
        $this->listeners[] = $listener;
    }

    /** @internal */
    public function failure(): ?Throwable
    {
        return $this->failure;
    }

    /** @internal */
    public function value(): mixed
    {
        return $this->value;
    }

    /** @internal */
    public function isOf(Scheduler $scheduler): bool
    {
        return $this->scheduler === $scheduler;
    }

    /** @internal Whether its own code runs. */
    public function isHere(): bool
    {
        return Strand::current() === $this->strand;
    }
}
