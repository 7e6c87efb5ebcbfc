<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A database address that cannot be read. */
final class InvalidDsn extends LygerException
{
    public static function because(string $reason): self
    {
        return new self("invalid DSN: $reason");
    }
}
