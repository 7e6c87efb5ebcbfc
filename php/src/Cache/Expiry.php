<?php

declare(strict_types=1);

namespace Lyger\Cache;

use DateInterval;
use DateTimeImmutable;
use Lyger\Exception\InvalidArgument;

/**
 * When a value goes. The numbers are those of rust/ffi/store.rs.
 *
 * @internal
 */
final class Expiry
{
    public const NEVER = 0;
    public const AFTER = 1;
    public const AT = 2;
    public const KEEP = 3;

    /** Ten thousand years: more is no time that anybody means, and still far from the end of integers. */
    private const MS_MAX = 315_360_000_000_000;

    private function __construct(public readonly int $kind, public readonly int $ms)
    {
    }

    /** When it is evicted. */
    public static function never(): self
    {
        return new self(self::NEVER, 0);
    }

    public static function after(int $ms): self
    {
        return new self(self::AFTER, max(0, $ms));
    }

    /** @param int $ms since 1970 */
    public static function at(int $ms): self
    {
        return new self(self::AT, max(0, $ms));
    }

    /** When the value before it would have. */
    public static function keep(): self
    {
        return new self(self::KEEP, 0);
    }

    /** What PSR-16 calls a TTL: seconds, or null for ever. */
    public static function ofTtl(null|int|float|DateInterval $ttl): self
    {
        return $ttl === null ? self::never() : self::after(self::ms($ttl));
    }

    /** Milliseconds of a span; none for one that is over. */
    public static function ms(int|float|DateInterval $span): int
    {
        if ($span instanceof DateInterval) {
            $now = new DateTimeImmutable();
            $then = $now->add($span);
            $span = (float) $then->format('U.u') - (float) $now->format('U.u');
        }
        if (is_nan((float) $span)) {
            throw InvalidArgument::because('a time is a number of seconds, and not NAN', 'NAN');
        }
        // Rounded up: a hundredth of a millisecond is not none.
        return $span > 0 ? (int) min(ceil($span * 1_000), self::MS_MAX) : 0;
    }

    public static function now(): int
    {
        return (int) (microtime(true) * 1_000);
    }

    /** When that is, 0 for never. */
    public function time(int $now, int $before): int
    {
        return match ($this->kind) {
            self::NEVER => 0,
            // 0 stands for never.
            self::AFTER => $now + $this->ms,
            self::AT => max(1, $this->ms),
            self::KEEP => $before,
        };
    }

    /** Whether that is over already. */
    public function isPast(): bool
    {
        return match ($this->kind) {
            self::AFTER => $this->ms === 0,
            self::AT => $this->ms <= self::now(),
            default => false,
        };
    }
}
