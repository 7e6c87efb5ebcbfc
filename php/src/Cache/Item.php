<?php

declare(strict_types=1);

namespace Lyger\Cache;

use DateInterval;
use DateTimeInterface;
use Lyger\Exception\InvalidCacheKey;
use Psr\Cache\CacheItemInterface;

/** A key and its value as PSR-6 has them: Pool::getItem() gives them, and Pool::save() keeps them. */
final class Item implements CacheItemInterface
{
    private int $expiresAtMs = 0;

    /** @internal */
    public function __construct(private readonly string $key, private mixed $value, private bool $isHit)
    {
    }

    public function getKey(): string
    {
        return $this->key;
    }

    /** Null where there is none: isHit() tells the difference. */
    public function get(): mixed
    {
        return $this->isHit ? $this->value : null;
    }

    public function isHit(): bool
    {
        return $this->isHit;
    }

    public function set($value): static
    {
        $this->value = $value;
        return $this;
    }

    public function expiresAt($expiration): static
    {
        if ($expiration !== null && !$expiration instanceof DateTimeInterface) {
            $type = get_debug_type($expiration);
            throw InvalidCacheKey::because("an item expires at a DateTimeInterface, not $type");
        }
        // What was before 1970 is over as well.
        $this->expiresAtMs = $expiration === null ? 0 : max(1, (int) $expiration->format('Uv'));
        return $this;
    }

    public function expiresAfter($time): static
    {
        if ($time !== null && !is_int($time) && !$time instanceof DateInterval) {
            throw InvalidCacheKey::because('an item expires after seconds, not ' . get_debug_type($time));
        }
        $this->expiresAtMs = $time === null ? 0 : Expiry::now() + Expiry::ms($time);
        return $this;
    }

    /** @internal Seconds that it stays; null for ever. */
    public function ttl(): ?float
    {
        return $this->expiresAtMs === 0 ? null : ($this->expiresAtMs - Expiry::now()) / 1_000;
    }

    /** @internal */
    public function isOver(): bool
    {
        return $this->expiresAtMs !== 0 && $this->expiresAtMs <= Expiry::now();
    }

    /** @internal */
    public function value(): mixed
    {
        return $this->value;
    }

    /** @internal From now on it is there. */
    public function markSaved(): void
    {
        $this->isHit = true;
    }
}
