<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** An await() that could never return. */
final class NeverDone extends LygerException
{
    public static function itself(): self
    {
        return new self('work awaits itself');
    }

    public static function nothing(): self
    {
        return new self('nothing is under way that could end this await(): work awaits itself, by way of other work');
    }
}
