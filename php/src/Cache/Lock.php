<?php

declare(strict_types=1);

namespace Lyger\Cache;

use DateInterval;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;

/**
 * A lock that was taken, for a time. Whoever is held up past it has lost it without knowing: so what the lock guards is
 * given the token() with each write, and refuses one below the last it saw. Of two tokens the later one is the larger.
 *
 *     $lock = $cache->lock('invoice:7', 30) ?? throw new Busy();
 *     $db->execute("UPDATE invoice SET state = 'paid', fence = :token WHERE id = 7 AND fence < :token", [
 *         'token' => $lock->token(),
 *     ]);
 */
final class Lock
{
    private bool $isReleased = false;
    private readonly int $pid;

    /** @internal Store::lock() makes them. */
    public function __construct(
        private readonly Driver $driver,
        private readonly string $name,
        private readonly int $token,
        private readonly int $ttlMs,
    ) {
        $this->pid = (int) getmypid();
    }

    public function __destruct()
    {
        // The copy in a forked child is not who has it.
        if ($this->isReleased || $this->pid !== getmypid()) {
            return;
        }
        try {
            $this->release();
        } catch (LygerException $failure) {
            // A destructor has nobody to tell; the lock's time ends it.
            error_log("Lyger: the lock {$this->name} ends by its time: {$failure->getMessage()}");
        }
    }

    /** Below 2^53, and larger than every one before it. */
    public function token(): int
    {
        return $this->token;
    }

    /** Gives it back. False where its time was over, and somebody else may have had it since. */
    public function release(): bool
    {
        $this->isReleased = true;
        return $this->driver->unlock($this->name, $this->token);
    }

    /** Keeps it for so long from now on, if it is still held: as long as at first, if nothing is said. */
    public function extend(null|int|float|DateInterval $ttl = null): bool
    {
        $ttlMs = $ttl === null ? $this->ttlMs : Expiry::ms($ttl);
        $ttlMs > 0 || throw InvalidArgument::because('a lock is for some time');
        return !$this->isReleased && $this->driver->extendLock($this->name, $this->token, $ttlMs);
    }

    /** Whether it is held at this moment; it may not be at the next. */
    public function isHeld(): bool
    {
        return !$this->isReleased && $this->driver->lockHolder($this->name) === $this->token;
    }
}
