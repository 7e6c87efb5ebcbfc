<?php

declare(strict_types=1);

namespace Lyger\Server;

/** Notices that the frame it lives in is left by exit(). */
final class Guard
{
    private bool $armed = true;

    public function __construct(private readonly Lifeline $lifeline)
    {
    }

    public function disarm(): void
    {
        $this->armed = false;
    }

    public function __destruct()
    {
        if ($this->armed) {
            $this->armed = false;
            $this->lifeline->afterExit();
        }
    }
}
