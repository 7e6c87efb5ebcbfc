<?php

declare(strict_types=1);

namespace Lyger\Vector\Fallback;

use Lyger\Config;
use Lyger\Exception\IndexTooLarge;
use Lyger\Exception\InvalidArgument;

/** How large an index may get: vector.* of the configuration. */
final class Limits
{
    public function __construct(private readonly int $dimensionMax, private readonly int $bytesMax)
    {
    }

    public static function of(Config $config): self
    {
        return new self($config->int('vector.dimension_max'), $config->int('vector.bytes_max'));
    }

    /** @throws InvalidArgument where no index may have so many elements a vector */
    public function checkDimension(int $dimension): void
    {
        if ($dimension < 1 || $dimension > $this->dimensionMax) {
            throw InvalidArgument::because(
                "vectors have 1 to {$this->dimensionMax} elements (vector.dimension_max), not $dimension",
                (string) $dimension,
            );
        }
    }

    /** @throws IndexTooLarge */
    public function checkBytes(int $bytes): void
    {
        if ($bytes > $this->bytesMax) {
            throw IndexTooLarge::of($bytes, $this->bytesMax);
        }
    }
}
