<?php

declare(strict_types=1);

namespace Lyger\Vector\Fallback;

/**
 * Scores of two vectors, with the bits of the native kernels: rust/kernels/vectors/lanes.rs in PHP. There are 32 sums
 * side by side, joined by halving, and what is left behind the last whole block goes to the last of them.
 *
 * PHP computes in 64 bits. A sum, product, quotient or root of floats of 32 bits that is rounded to 64 and then to 32
 * is the one that is rounded to 32 at once. pack() and unpack() do that, for many in a call.
 */
final class Lanes
{
    private const LANES = 32;

    /** The nearest float of 32 bits. */
    public static function round(float $value): float
    {
        return unpack('g', pack('g', $value))[1];
    }

    /**
     * @param array<int, float> $query as unpack() gives it, from 1
     * @param string $row packed, as long
     */
    public static function dot(array $query, string $row): float
    {
        $candidate = unpack('g*', $row);
        $products = [];
        foreach ($query as $at => $element) {
            $products[] = $element * $candidate[$at];
        }
        return self::sum($products);
    }

    /**
     * The distance.
     *
     * @param array<int, float> $query as unpack() gives it, from 1
     * @param string $row packed, as long
     */
    public static function l2(array $query, string $row): float
    {
        $candidate = unpack('g*', $row);
        $differences = [];
        foreach ($query as $at => $element) {
            $differences[] = $element - $candidate[$at];
        }
        return self::root(unpack('g*', pack('g*', ...$differences)));
    }

    public static function norm(string $row): float
    {
        return self::root(unpack('g*', $row));
    }

    /** 0 where a norm is, unless the dot product is no number. Never -0. */
    public static function cosine(float $dot, float $queryNorm, float $norm): float
    {
        if (($queryNorm === 0.0 || $norm === 0.0) && !is_nan($dot)) {
            return 0.0;
        }
        // Not divided by 0: the smallest norms there are, 3.7e-23, have a product.
        $cosine = self::round($dot / self::round($queryNorm * $norm));
        return is_nan($cosine) ? NAN : max(-1.0, min(1.0, $cosine)) + 0.0;
    }

    /** @param array<float> $elements */
    private static function root(array $elements): float
    {
        $squares = [];
        foreach ($elements as $element) {
            $squares[] = $element * $element;
        }
        return self::round(sqrt(self::sum($squares)));
    }

    /** @param list<float> $terms not yet rounded */
    private static function sum(array $terms): float
    {
        $packed = pack('g*', ...$terms);
        $tail = count($terms) % self::LANES;
        if ($tail > 0) {
            $whole = strlen($packed) - 4 * $tail;
            $packed = substr_replace($packed, str_repeat("\0", 4 * (self::LANES - $tail)), $whole, 0);
        }
        $sums = array_fill(1, self::LANES, 0.0);
        for ($at = 0, $bytes = strlen($packed); $at < $bytes; $at += 4 * self::LANES) {
            $added = [];
            foreach (unpack('g' . self::LANES, $packed, $at) as $lane => $term) {
                $added[] = $sums[$lane] + $term;
            }
            $sums = unpack('g*', pack('g*', ...$added));
        }
        for ($width = self::LANES / 2; $width > 0; $width >>= 1) {
            $added = [];
            for ($lane = 1; $lane <= $width; $lane++) {
                $added[] = $sums[$lane] + $sums[$lane + $width];
            }
            $sums = unpack('g*', pack('g*', ...$added));
        }
        return is_nan($sums[1]) ? NAN : $sums[1];
    }
}
