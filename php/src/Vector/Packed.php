<?php

declare(strict_types=1);

namespace Lyger\Vector;

use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidVector;

/**
 * Vectors and ids as they are given, checked and in the one form that a Store takes.
 *
 * @internal
 */
final class Packed
{
    private const FLOAT_BYTES = 4;

    /**
     * @param array<mixed> $ids
     * @return list<int>
     */
    public static function ids(array $ids): array
    {
        foreach ($ids as $id) {
            if (!is_int($id)) {
                throw InvalidArgument::because('an id is an integer, and not of type ' . get_debug_type($id));
            }
        }
        return array_values($ids);
    }

    /** @param string|array<mixed> $query */
    public static function query(string|array $query, int $dimension): string
    {
        return self::one($query, 'the query', $dimension);
    }

    /**
     * @param list<int> $ids
     * @param string|array<mixed> $vectors
     * @return string one behind the other
     */
    public static function vectors(array $ids, string|array $vectors, int $dimension): string
    {
        $count = count($ids);
        if (is_string($vectors)) {
            return self::packed($ids, $vectors, $dimension);
        }
        $first = reset($vectors);
        if ($count === 1 && $first !== false && !is_array($first) && !is_string($first)) {
            $vectors = [$vectors];
        }
        if (count($vectors) !== $count) {
            throw self::counts($count, count($vectors));
        }
        $packed = [];
        foreach (array_values($vectors) as $at => $vector) {
            $what = "the vector of id $ids[$at]";
            $packed[] = is_string($vector) || is_array($vector)
                ? self::one($vector, $what, $dimension)
                : throw InvalidVector::because("$what is of type " . get_debug_type($vector));
        }
        return implode('', $packed);
    }

    /** @param list<int> $ids */
    private static function packed(array $ids, string $vectors, int $dimension): string
    {
        $count = count($ids);
        if ($count === 1) {
            return self::one($vectors, "the vector of id $ids[0]", $dimension);
        }
        [$given, $bytes] = [strlen($vectors), self::FLOAT_BYTES * $dimension];
        if ($given % $bytes !== 0) {
            throw InvalidVector::because(
                "the vectors have $given bytes, and each vector of $dimension elements has $bytes"
            );
        }
        return $given === $count * $bytes ? $vectors : throw self::counts($count, intdiv($given, $bytes));
    }

    /** @param string|array<mixed> $vector */
    private static function one(string|array $vector, string $what, int $dimension): string
    {
        if (is_string($vector) && strlen($vector) % self::FLOAT_BYTES !== 0) {
            throw InvalidVector::because("$what has " . strlen($vector) . ' bytes, and each element has 4');
        }
        $floats = is_string($vector) ? intdiv(strlen($vector), self::FLOAT_BYTES) : count($vector);
        if ($floats !== $dimension) {
            throw InvalidVector::because("$what has $floats elements, the index has vectors of $dimension");
        }
        if (is_string($vector)) {
            return $vector;
        }
        foreach ($vector as $element) {
            if (!is_float($element) && !is_int($element)) {
                throw InvalidVector::because("$what has an element of type " . get_debug_type($element));
            }
        }
        return pack('g*', ...array_values($vector));
    }

    private static function counts(int $ids, int $vectors): InvalidVector
    {
        return InvalidVector::because("ids and vectors differ in number: $ids and $vectors");
    }
}
