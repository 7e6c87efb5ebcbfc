<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The HTTP server could not start or stop as asked. */
final class ServerFailed extends LygerException
{
    public static function because(string $reason): self
    {
        return new self($reason);
    }
}
