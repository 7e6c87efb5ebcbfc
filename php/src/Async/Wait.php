<?php

declare(strict_types=1);

namespace Lyger\Async;

/** What somebody waits for: it comes once. */
final class Wait
{
    public bool $isOver = false;
    /** Who waits, where that is a Fiber of async(). */
    public ?Strand $strand = null;

    /** @param Scheduler|null $scheduler whose it is, where a statement is waited for */
    public function __construct(public readonly ?Scheduler $scheduler = null)
    {
    }

    public function end(): void
    {
        if (!$this->isOver) {
            $this->isOver = true;
            $this->strand?->wake();
        }
    }
}
