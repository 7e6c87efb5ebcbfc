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
        return self::one($query, null, $dimension);
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
        if ($count === 1 && self::isFlat($vectors, $dimension)) {
            $vectors = [$vectors];
        }
        if (count($vectors) !== $count) {
            throw self::counts($count, count($vectors));
        }
        $packed = [];
        foreach (array_values($vectors) as $at => $vector) {
            $packed[] = is_string($vector) || is_array($vector)
                ? self::one($vector, $ids[$at], $dimension)
                : throw self::wrong($ids[$at], 'is of type ' . get_debug_type($vector));
        }
        return implode('', $packed);
    }

    /** @param list<int> $ids */
    private static function packed(array $ids, string $vectors, int $dimension): string
    {
        $count = count($ids);
        if ($count === 1) {
            return self::one($vectors, $ids[0], $dimension);
        }
        [$given, $bytes] = [strlen($vectors), self::FLOAT_BYTES * $dimension];
        if ($given % $bytes !== 0) {
            throw InvalidVector::because(
                "the vectors have $given bytes, and each vector of $dimension elements has $bytes"
            );
        }
        return $given === $count * $bytes ? $vectors : throw self::counts($count, intdiv($given, $bytes));
    }

    /**
     * Whether it is a vector, and no array of such.
     *
     * @param array<mixed> $vectors
     */
    private static function isFlat(array $vectors, int $dimension): bool
    {
        if ($vectors === []) {
            return false;
        }
        $first = reset($vectors);
        // A text among others is meant for a number, unless it is as long as a vector.
        return is_string($first)
            ? count($vectors) > 1 && strlen($first) !== self::FLOAT_BYTES * $dimension
            : !is_array($first);
    }

    /**
     * @param string|array<mixed> $vector
     * @param int|null $id whose it is, null for the query
     */
    private static function one(string|array $vector, ?int $id, int $dimension): string
    {
        if (is_string($vector) && strlen($vector) % self::FLOAT_BYTES !== 0) {
            throw self::wrong($id, 'has ' . strlen($vector) . ' bytes, and each element has 4');
        }
        $floats = is_string($vector) ? intdiv(strlen($vector), self::FLOAT_BYTES) : count($vector);
        if ($floats !== $dimension) {
            throw self::wrong($id, "has $floats elements, the index has vectors of $dimension");
        }
        if (is_string($vector)) {
            return $vector;
        }
        foreach ($vector as $element) {
            if (!is_float($element) && !is_int($element)) {
                throw self::wrong($id, 'has an element of type ' . get_debug_type($element));
            }
        }
        return pack('g*', ...array_values($vector));
    }

    /** @param int|null $id whose vector it is, null for the query */
    private static function wrong(?int $id, string $reason): InvalidVector
    {
        return $id === null
            ? InvalidVector::because("the query $reason")
            : InvalidVector::because("the vector of id $id $reason", (string) $id);
    }

    private static function counts(int $ids, int $vectors): InvalidVector
    {
        return InvalidVector::because("ids and vectors differ in number: $ids and $vectors");
    }
}
