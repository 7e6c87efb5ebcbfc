<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Exception\LygerException;

/** A request that is not passed on: 400, 408, 413, 414, 431 and the like. */
final class Refused extends LygerException
{
    private int $status = 400;

    public static function with(int $status): self
    {
        $refused = new self((string) $status);
        $refused->status = $status;
        return $refused;
    }

    public function status(): int
    {
        return $this->status;
    }
}
