<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Async;

/**
 * Asking again and again, at first soon and then more seldom, until a time is over.
 *
 * @internal
 */
final class Waiting
{
    /** About what a small value takes to be made; and what a person doesn't notice. */
    private const FIRST_MS = 1.0;
    private const LONGEST_MS = 50.0;
    private const FACTOR = 1.5;

    private readonly float $until;
    private float $ms = self::FIRST_MS;

    public function __construct(int $waitMs)
    {
        $this->until = hrtime(true) / 1e6 + $waitMs;
    }

    /** Waits a little, in a worker with several requests for those as well. False when the time is over. */
    public function pause(): bool
    {
        $left = $this->until - hrtime(true) / 1e6;
        if ($left <= 0.0) {
            return false;
        }
        // Of those who began to wait together, not all ask together.
        $ms = $this->ms * (0.5 + mt_rand() / mt_getrandmax() / 2);
        Async::sleep(min($left, $ms) / 1_000);
        $this->ms = min($this->ms * self::FACTOR, self::LONGEST_MS);
        return true;
    }
}
