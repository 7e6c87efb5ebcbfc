<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI\CData;

/**
 * A value of the engine's table that PHP has read, and what tells whether it is still the table's: as long as the
 * number at $sequence, in the memory that all workers share, is $version, nobody has changed it.
 *
 * @internal
 */
final class ValueCopy
{
    /** The table learns of one read of so many, by which it knows what may go; and so does who has been forked. */
    private const READS_MAX = 64;
    /** A copy that was read less often before it was outdated wasn't worth its making. */
    private const READS_OF_USE = 4;
    /** What PHP takes for a copy beside its bytes: an object, a pointer, a place in an array. */
    private const OVERHEAD_BYTES = 320;

    public int $readsLeft = self::READS_MAX;

    /** @param int $expiresAt in milliseconds since 1970; 0 for never */
    public function __construct(
        public readonly string $bytes,
        public readonly CData $sequence,
        public readonly int $version,
        public readonly int $expiresAt,
    ) {
    }

    /** How often it was answered with, within one. */
    public function reads(): int
    {
        return self::READS_MAX - max(0, $this->readsLeft);
    }

    public function wasOfUse(): bool
    {
        return $this->reads() >= self::READS_OF_USE;
    }

    public static function weight(string $key, string $bytes): int
    {
        return \strlen($key) + \strlen($bytes) + self::OVERHEAD_BYTES;
    }
}
