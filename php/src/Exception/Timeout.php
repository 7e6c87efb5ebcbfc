<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Something took longer than its limit. */
final class Timeout extends LygerException
{
    public static function after(string $what, int $timeoutMs, ?string $sqlstate = null): self
    {
        return new self("$what took longer than $timeoutMs ms", $sqlstate);
    }
}
