<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

/** Numbers that look random, are between -1 and 1, and are the same every time. */
final class Numbers
{
    /** @return string $count vectors, packed */
    public static function packed(int $count, int $dimension, int $seed = 1): string
    {
        $floats = [];
        for ($at = 0; $at < $count * $dimension; $at++) {
            $seed = ($seed * 1_103_515_245 + 12_345) % 2_147_483_648;
            $floats[] = $seed / 1_073_741_824 - 1;
        }
        return implode('', array_map(static fn (array $part) => pack('g*', ...$part), array_chunk($floats, 1000)));
    }
}
