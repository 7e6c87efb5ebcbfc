<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Another process listens on the address. */
final class AddressInUse extends LygerException
{
    public static function at(string $host, int $port, string $reason = ''): self
    {
        return new self("$host:$port is taken" . ($reason === '' ? '' : ": $reason"), null, "$host:$port");
    }
}
