<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Vector\Index;

/** Vectors to test with. */
final class Numbers
{
    /**
     * Of numbers that look random, are between -1 and 1, and are the same every time.
     *
     * @return string $count vectors, packed
     */
    public static function packed(int $count, int $dimension, int $seed = 1): string
    {
        $floats = [];
        for ($at = 0; $at < $count * $dimension; $at++) {
            $seed = ($seed * 1_103_515_245 + 12_345) % 2_147_483_648;
            $floats[] = $seed / 1_073_741_824 - 1;
        }
        return implode('', array_map(static fn (array $part) => pack('g*', ...$part), array_chunk($floats, 1000)));
    }

    /** 1 is right of the origin, 2 above, 3 between them, 4 left. */
    public static function plane(): Index
    {
        $index = Index::of(2);
        $index->add([1, 2, 3, 4], [[1, 0], [0, 1], [3, 3], [-2, 0]]);
        return $index;
    }
}
