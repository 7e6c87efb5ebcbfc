<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The database refused the statement; sqlstate() and the message are its own. */
final class QueryFailed extends LygerException
{
    public static function because(string $reason, ?string $sqlstate = null): self
    {
        return new self($reason, $sqlstate);
    }
}
