<?php

declare(strict_types=1);

namespace Lyger\Cache;

/** How often something was in its window of time. */
final class RateLimit
{
    /**
     * @param int $count this time included
     * @param int $endsAtMs when the window ends, since 1970 by this machine's clock; 0 where none is under way
     */
    public function __construct(
        public readonly int $max,
        public readonly int $count,
        public readonly int $endsAtMs,
    ) {
    }

    public function isAllowed(): bool
    {
        return $this->count <= $this->max;
    }

    /** How often it may still be. */
    public function remaining(): int
    {
        return max(0, $this->max - $this->count);
    }

    /** Whole seconds until it may be again, for the header Retry-After; 0 where it may be now. */
    public function retryAfter(): int
    {
        return $this->isAllowed() ? 0 : max(1, (int) ceil(($this->endsAtMs - Expiry::now()) / 1_000));
    }
}
