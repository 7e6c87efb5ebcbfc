<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;

/** Notices that the frame it lives in is left by exit(). */
final class Guard
{
    private bool $armed = true;

    /** @param Closure(): void $onExit */
    public function __construct(private readonly Closure $onExit)
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
            ($this->onExit)();
        }
    }
}
