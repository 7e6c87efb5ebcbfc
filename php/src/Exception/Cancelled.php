<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Nobody waits any more for what this was thrown into. */
final class Cancelled extends LygerException
{
    public static function work(): self
    {
        return new self('this work was cancelled');
    }
}
