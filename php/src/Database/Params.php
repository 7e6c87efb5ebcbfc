<?php

declare(strict_types=1);

namespace Lyger\Database;

use BackedEnum;
use Lyger\Exception\InvalidParams;
use Stringable;

/**
 * Bound parameters: which PHP values there are, and their packed form for the engine (rust/db/params.rs): a
 * little-endian u32 count, then a tag byte and the content of each value.
 */
final class Params
{
    /**
     * Only null, bool, int, float, string and Bytes are left.
     *
     * @param array<mixed> $params by position; keys are ignored where they are integers
     * @return list<null|bool|int|float|string|Bytes>
     */
    public static function normalize(array $params): array
    {
        $values = [];
        foreach ($params as $key => $value) {
            if (is_string($key)) {
                throw InvalidParams::because("parameters are bound by position, not by name (\"$key\")");
            }
            $values[] = match (true) {
                $value === null, is_scalar($value), $value instanceof Bytes => $value,
                $value instanceof BackedEnum => $value->value,
                $value instanceof Stringable => (string) $value,
                default => throw InvalidParams::type(count($values) + 1, get_debug_type($value)),
            };
            $last = $values[count($values) - 1];
            if (is_string($last) && preg_match('//u', $last) !== 1) {
                $position = count($values);
                throw InvalidParams::because(
                    "parameter $position: the string is not valid UTF-8; bind it as bytes (Lyger\\Database\\Bytes)"
                );
            }
        }
        return $values;
    }

    /** @param array<mixed> $params */
    public static function pack(array $params): string
    {
        if ($params === []) {
            return '';
        }
        $packed = pack('V', count($params));
        foreach (self::normalize($params) as $value) {
            $packed .= match (true) {
                $value === null => "\x00",
                $value === false => "\x01",
                $value === true => "\x02",
                is_int($value) => "\x03" . pack('P', $value),
                is_float($value) => "\x04" . pack('e', $value),
                $value instanceof Bytes => "\x06" . pack('V', strlen($value->bytes)) . $value->bytes,
                default => "\x05" . pack('V', strlen($value)) . $value,
            };
        }
        return $packed;
    }
}
