<?php

declare(strict_types=1);

namespace Lyger\Cache;

use DateInterval;
use Lyger\Exception\CacheValueTooLarge;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Exception\SessionBusy;
use SensitiveParameter;
use SessionHandlerInterface;
use SessionIdInterface;
use SessionUpdateTimestampHandlerInterface;

/**
 * PHP's sessions in a cache, where no eviction and no clear() drops them before their time: all workers of `rawr serve`
 * share them, and with a `redis://` DSN several machines.
 *
 *     session_set_save_handler(new SessionHandler(), true);
 *     session_start();
 *
 * Two requests of one session run one after the other, as with PHP's own files. Who has a session open for longer than
 * $hold has lost it: what it writes is refused, with a warning, once another one may have changed the session.
 *
 * The setting `session.store` = cache does the same for all handlers of `rawr serve`: docs/cache.md.
 */
final class SessionHandler implements
    SessionHandlerInterface,
    SessionIdInterface,
    SessionUpdateTimestampHandlerInterface
{
    /** PHP's own rule for ids. Visitors choose them, unless session.use_strict_mode is on. */
    private const ID = '/\A[A-Za-z0-9,-]{1,256}\z/';
    /** In a full cache one id in sixteen has room where another session has just ended: one in 4,000 finds none. */
    private const ID_TRIES_MAX = 128;

    private ?Sessions $sessions = null;
    private readonly ?int $ttlMs;
    private readonly int $waitMs;
    private readonly int $holdMs;
    /** Which one this request has open, and by what token. */
    private string $id = '';
    private int $token = 0;
    private int $pid = 0;
    /** Of which one there was data when it was read. */
    private string $found = '';
    /** Bytes of the one that this request has ended. */
    private int $endedBytes = 0;

    /**
     * @param Store|null $store null is Store::default()
     * @param null|int|float|DateInterval $ttl how long a session stays unused: session.gc_maxlifetime, if it is null
     * @param bool $locks whether a session is one request's at a time; without it the last one to write wins
     * @param float $wait seconds to wait for a request that has the session. A third of what `rawr serve` gives a
     *     request by default, so who waits in vain is told why, and not 504
     * @param float $hold seconds that a request has it alone: twice what `rawr serve` gives it by default. A killed
     *     worker's session is free at once; only over a Redis is that waited for
     */
    public function __construct(
        private readonly ?Store $store = null,
        null|int|float|DateInterval $ttl = null,
        private readonly bool $locks = true,
        float $wait = 10.0,
        float $hold = 60.0,
    ) {
        $this->ttlMs = $ttl === null ? null : Expiry::ms($ttl);
        [$this->waitMs, $this->holdMs] = [Expiry::ms($wait), Expiry::ms($hold)];
        $this->ttlMs !== 0 && $this->holdMs > 0 || throw InvalidArgument::because('a session is for some time');
    }

    public function __destruct()
    {
        $this->close();
    }

    public function open(string $path, string $name): bool
    {
        return true;
    }

    /** Whether there is one with this id, for session.use_strict_mode. */
    public function validateId(#[SensitiveParameter] string $id): bool
    {
        return self::isId($id) && $this->sessions()->read($id) !== null;
    }

    /**
     * Its data, '' where there is none.
     *
     * @throws SessionBusy when another request had it for too long
     */
    public function read(#[SensitiveParameter] string $id): string|false
    {
        if (!self::isId($id)) {
            return self::warn('the id of a session has 1 to 256 of the characters A-Z, a-z, 0-9, "-" and ","');
        }
        if ($this->locks && !$this->has($id)) {
            $this->take($id);
        }
        try {
            $data = $this->sessions()->read($id);
            $this->found = $data === null ? '' : $id;
            return $data ?? '';
        } catch (LygerException $failure) {
            $this->close();
            throw $failure;
        }
    }

    /** False, with a warning, where it couldn't be written. */
    public function write(#[SensitiveParameter] string $id, #[SensitiveParameter] string $data): bool
    {
        if (!self::isId($id) || $this->locks && !$this->has($id)) {
            return self::warn('a session is written by who has read it');
        }
        try {
            $isWritten = $this->sessions()->write($id, $this->locks ? $this->token : 0, $data, $this->ttlMs());
        } catch (LygerException $failure) {
            return self::warn("the session is not written: {$failure->getMessage()}");
        }
        return $isWritten || self::warn('the session is not written: another request has ended it, or it was open for '
            . "longer than {$this->holdMs} ms, so another request may have changed it since");
    }

    /** The same for data that hasn't changed (session.lazy_write): only its time begins anew. */
    public function updateTimestamp(#[SensitiveParameter] string $id, #[SensitiveParameter] string $data): bool
    {
        try {
            if (self::isId($id) && $this->sessions()->touch($id, $this->ttlMs())) {
                return true;
            }
            // Who hasn't changed it must not bring back what another request has ended, as a logout does. With a lock
            // that is told from one whose time was over amid this request: who ends a session takes the lock away.
            if ($this->found === $id && $this->has($id)) {
                $this->sessions()->write($id, $this->token, $data, $this->ttlMs());
            }
        } catch (LygerException $failure) {
            return self::warn("the session is not kept for longer: {$failure->getMessage()}");
        }
        return $this->found === $id || $this->write($id, $data);
    }

    /**
     * An id for a new session. Behind one that this request has ended (session_regenerate_id(true), a login) it is one
     * that has as much room, so that a visitor who is there stays, however full the cache is.
     */
    // phpcs:ignore PSR1.Methods.CamelCapsMethodName.NotCamelCaps -- PHP's name
    public function create_sid(): string
    {
        for ($tries = 1;; $tries++) {
            $id = (string) session_create_id();
            if ($this->endedBytes === 0 || $tries === self::ID_TRIES_MAX || $this->hasRoom($id)) {
                return $id;
            }
        }
    }

    private function hasRoom(#[SensitiveParameter] string $id): bool
    {
        try {
            $this->sessions()->write($id, 0, str_repeat("\0", $this->endedBytes), $this->ttlMs());
            $this->sessions()->destroy($id);
            return true;
        } catch (CacheValueTooLarge) {
            return false;
        } catch (LygerException) {
            return true; // not for want of room: it is said where the session is written
        }
    }

    public function destroy(#[SensitiveParameter] string $id): bool
    {
        try {
            if (self::isId($id)) {
                $this->endedBytes = \strlen($this->sessions()->read($id) ?? '');
                $this->sessions()->destroy($id);
            }
        } catch (LygerException $failure) {
            return self::warn("the session is not destroyed: {$failure->getMessage()}");
        }
        return true;
    }

    /** Lets another request have it. */
    public function close(): bool
    {
        [$id, $token] = [$this->id, $this->token];
        [$this->id, $this->token, $this->found] = ['', 0, ''];
        // The copy in a forked child is not who has it.
        if ($token === 0 || $this->pid !== getmypid()) {
            return true;
        }
        try {
            $this->sessions()->close($id, $token);
        } catch (LygerException $failure) {
            error_log("Lyger: a session is free when its time is over: {$failure->getMessage()}");
            return false;
        }
        return true;
    }

    /** Nothing: what has ended is gone, and its room is another's. */
    public function gc(int $max_lifetime): int
    {
        return 0;
    }

    private function has(#[SensitiveParameter] string $id): bool
    {
        return $this->token !== 0 && $this->id === $id;
    }

    private function take(#[SensitiveParameter] string $id): void
    {
        $this->close();
        $waiting = new Waiting($this->waitMs);
        do {
            $token = $this->sessions()->open($id, $this->holdMs);
            if ($token !== null) {
                [$this->id, $this->token, $this->pid] = [$id, $token, (int) getmypid()];
                return;
            }
        } while ($waiting->pause());
        throw SessionBusy::after($this->waitMs);
    }

    private function sessions(): Sessions
    {
        // Not before it is used: a process that forks its workers must not have used the engine.
        return $this->sessions ??= ($this->store ?? Store::default())->sessions();
    }

    private function ttlMs(): int
    {
        return $this->ttlMs ?? max(1, (int) ini_get('session.gc_maxlifetime')) * 1_000;
    }

    /** @internal Whether a session can have it. */
    public static function isId(#[SensitiveParameter] string $id): bool
    {
        return preg_match(self::ID, $id) === 1;
    }

    private static function warn(string $message): bool
    {
        trigger_error($message, E_USER_WARNING);
        return false;
    }
}
