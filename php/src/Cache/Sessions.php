<?php

declare(strict_types=1);

namespace Lyger\Cache;

use Lyger\Exception\LygerException;

/**
 * Visitors' sessions of a cache: bytes under an id, which stay until their time is over, whatever is evicted. A request
 * opens its session, and what somebody writes who hasn't it open any more is refused.
 *
 * @internal
 */
interface Sessions
{
    /**
     * The token to write it with, whether it is there or not; null when somebody else has it open.
     *
     * @throws LygerException as everything here
     */
    public function open(string $id, int $ttlMs): ?int;

    /** Whether it was the token's. */
    public function close(string $id, int $token): bool;

    public function read(string $id): ?string;

    /**
     * @param int $token 0: whoever has it open
     * @return bool whether it was written: it is the token's
     */
    public function write(string $id, int $token, string $data, int $ttlMs): bool;

    /** Keeps it for so long from now on; whether it is there. */
    public function touch(string $id, int $ttlMs): bool;

    /** Whether it was there. Who has it open has lost it. */
    public function destroy(string $id): bool;
}
