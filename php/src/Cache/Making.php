<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\LygerException;

/**
 * That this process is the one that makes a value, until it has: however it ends, by an exception or by exit(), others
 * may.
 *
 * @internal
 */
final class Making
{
    private bool $isOver = false;

    public function __construct(
        private readonly Driver $driver,
        private readonly string $key,
        private readonly int $token,
    ) {
    }

    public function land(string $bytes, Expiry $expiry): void
    {
        if (!$expiry->isPast()) {
            $this->isOver = true;
            $this->driver->land($this->key, $this->token, $bytes, $expiry);
        }
    }

    public function __destruct()
    {
        if ($this->isOver) {
            return;
        }
        try {
            $this->driver->abandon($this->key, $this->token);
        } catch (LygerException $failure) {
            // What ended the making is what the caller is told; others can make it when its patience is over.
            error_log("Lyger: a value that the cache is to remember stays another's: {$failure->getMessage()}");
        }
    }
}
