<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Another request has had the session open for too long: for a client that asks again, 503. */
final class SessionBusy extends LygerException
{
    public static function after(int $waitedMs): self
    {
        return new self("another request of the same session has had it open for longer than $waitedMs ms");
    }
}
