<?php

declare(strict_types=1);

namespace Lyger\Async;

/** What somebody waits for: it comes once. */
final class Wait
{
    public bool $isOver = false;
    /** Who waits, where that is a Fiber of async(). */
    public ?Strand $strand = null;

    public function end(): void
    {
        if (!$this->isOver) {
            $this->isOver = true;
            $this->strand?->wake();
        }
    }
}
