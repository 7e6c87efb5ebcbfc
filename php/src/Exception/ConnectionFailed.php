<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The database could not be reached, or refused the login. */
final class ConnectionFailed extends LygerException
{
    public static function to(string $target, string $reason, ?string $sqlstate = null): self
    {
        return new self("$target: $reason", $sqlstate);
    }
}
