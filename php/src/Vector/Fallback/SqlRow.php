<?php

declare(strict_types=1);

namespace Lyger\Vector\Fallback;

use Lyger\Database\Bytes;
use Lyger\Database\Fallback\Column;
use Lyger\Database\Fallback\Kind;
use Lyger\Exception\InvalidVector;
use Lyger\Exception\UnsupportedType;

/**
 * An id and a vector as a database gives them: pgvector's types, arrays, JSON and text as `[1,2.5]`, a BLOB or bytea
 * as little-endian floats of 4 bytes.
 */
final class SqlRow
{
    private const BLANK = " \t\n\r";
    private const NUMBER = '-?(?:0|[1-9]\d*+)(?:\.\d++|(?!\.))(?:[eE][+-]?\d++|(?![eE]))';

    /**
     * @param list<mixed> $row as a Table has it
     * @param list<Column> $columns
     * @param int $number of the row, from 1
     * @return array{int, string} the id, and the vector packed
     */
    public static function read(array $row, array $columns, int $number, int $dimension): array
    {
        if (count($row) !== 2) {
            throw new UnsupportedType(
                'an index is filled by a statement of two columns, the id and the vector; this one has ' . count($row)
            );
        }
        [$id, $value] = $row;
        if (!is_int($id)) {
            $reason = match (true) {
                $id === null => 'its id is NULL',
                $columns[0]->kind === Kind::Integer => "its id $id is above " . PHP_INT_MAX,
                default => "its id isn't an integer",
            };
            throw InvalidVector::because("row $number of the statement: $reason", (string) $number);
        }
        $what = "the vector of id $id";
        $packed = match (true) {
            $value === null => throw InvalidVector::because("$what is NULL", (string) $id),
            $value instanceof Bytes => self::bytes($value->bytes, $id),
            is_string($value) && $columns[1]->kind === Kind::Bytes => self::bytes($value, $id),
            is_string($value) && in_array($columns[1]->kind, [Kind::Text, Kind::Json], true) => self::text($value, $id),
            default => throw InvalidVector::because("$what is neither bytes nor text", (string) $id),
        };
        $elements = intdiv(strlen($packed), 4);
        if ($elements !== $dimension) {
            $reason = "$what has $elements elements, the index has vectors of $dimension";
            throw InvalidVector::because($reason, (string) $id);
        }
        return [$id, $packed];
    }

    private static function bytes(string $bytes, int $id): string
    {
        return strlen($bytes) % 4 === 0 ? $bytes : throw InvalidVector::because(
            "the vector of id $id has " . strlen($bytes) . ' bytes, and each element has 4',
            (string) $id,
        );
    }

    private static function text(string $text, int $id): string
    {
        // PHP takes it for an integer, which has no sign then.
        $signed = preg_replace('/(?<!e)-0(?![.\de])/i', '-0.0', $text);
        $numbers = json_decode((string) $signed, false, 2);
        $isNumber = static fn (mixed $value): bool => is_float($value) || is_int($value);
        if (is_array($numbers) && count(array_filter($numbers, $isNumber)) === count($numbers)) {
            return pack('g*', ...$numbers);
        }
        [$wanted, $at] = self::missing($text);
        $reason = "the vector of id $id isn't a JSON array of numbers: $wanted is missing at byte $at";
        throw InvalidVector::because($reason, (string) $id);
    }

    /** @return array{string, int} what should stand where, in a text that is no array of numbers */
    private static function missing(string $text): array
    {
        $at = strspn($text, self::BLANK);
        if (($text[$at] ?? '') !== '[') {
            return ['`[`', $at];
        }
        $at++;
        $at += strspn($text, self::BLANK, $at);
        for ($next = ($text[$at] ?? '') === ']' ? ']' : ','; $next !== ']';) {
            if (preg_match('/\G' . self::NUMBER . '/', $text, $number, 0, $at) !== 1) {
                return ['a number', $at];
            }
            $at += strlen($number[0]);
            $at += strspn($text, self::BLANK, $at);
            $next = $text[$at] ?? '';
            if ($next !== ',' && $next !== ']') {
                return ['`,` or `]`', $at];
            }
            $at += $next === ',' ? 1 + strspn($text, self::BLANK, $at + 1) : 0;
        }
        $at++;
        return ['its end', $at + strspn($text, self::BLANK, $at)];
    }
}
