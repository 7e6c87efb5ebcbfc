<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** LYGER_ENGINE=required, and the native library cannot be used. */
final class EngineMissing extends LygerException
{
    public static function because(string $reason): self
    {
        return new self("the native engine is required (LYGER_ENGINE) but cannot be used: $reason");
    }
}
