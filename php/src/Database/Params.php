<?php

declare(strict_types=1);

namespace Lyger\Database;

use BackedEnum;
use DateTimeImmutable;
use DateTimeInterface;
use DateTimeZone;
use Lyger\Exception\InvalidParams;
use Stringable;

/**
 * Bound parameters: which PHP values there are, and their packed form for the engine (rust/db/params.rs): a
 * little-endian u32 count, then a tag byte and the content of each value.
 *
 * An array with string keys gives names, `['id' => 5]` or, as PDO also has it, `[':id' => 5]`; any other gives
 * positions in the order of its keys, as PDO has it, which may have gaps. An array as a value is a list: as many
 * placeholders as it has values, for `IN (?)`.
 */
final class Params
{
    /** Stands where the count does, and says that names follow. */
    private const NAMED = "\xff\xff\xff\xff";

    /**
     * Only null, bool, int, float, string and Bytes are left, and lists of them.
     *
     * @param array<mixed> $params
     */
    public static function normalize(array $params): Given
    {
        $names = self::names($params);
        if ($names === null) {
            ksort($params);
        }
        $values = [];
        foreach (array_values($params) as $index => $value) {
            $label = self::label($names, $index);
            $item = static fn (mixed $item) => self::item($item, $label);
            $values[] = is_array($value) ? array_map($item, array_values($value)) : self::value($value, $label);
        }
        return new Given($names, $values);
    }

    /** @param array<mixed> $params */
    public static function pack(array $params): string
    {
        if ($params === []) {
            return '';
        }
        // Most statements have one, the key of a table.
        if (is_int($params[0] ?? null) && count($params) === 1) {
            return pack('VCP', 1, 3, $params[0]);
        }
        $names = null;
        if (!array_is_list($params)) {
            $names = self::names($params);
            if ($names === null) {
                ksort($params);
            }
        }
        $packed = ($names === null ? '' : self::NAMED) . pack('V', count($params));
        $index = 0;
        foreach ($params as $value) {
            if ($names !== null) {
                $packed .= pack('V', strlen($names[$index])) . $names[$index];
            }
            $packed .= is_int($value) ? "\x03" . pack('P', $value) : self::packed($value, self::label($names, $index));
            $index++;
        }
        return $packed;
    }

    /**
     * @param array<mixed> $params
     * @return list<string>|null
     */
    private static function names(array $params): ?array
    {
        if (array_is_list($params)) {
            return null;
        }
        $names = [];
        foreach (array_keys($params) as $key) {
            if (!is_string($key)) {
                continue;
            }
            if (preg_match('//u', $key) !== 1) {
                throw InvalidParams::because('the name of a parameter is not valid UTF-8');
            }
            $name = str_starts_with($key, ':') ? substr($key, 1) : $key;
            if (in_array($name, $names, true)) {
                throw InvalidParams::because("parameter :$name: it is given twice");
            }
            $names[] = $name;
        }
        if ($names === []) {
            return null;
        }
        return count($names) === count($params) ? $names : throw InvalidParams::because(
            "the parameters have names (\"$names[0]\") and positions: give a name to all of them, or to none"
        );
    }

    private static function value(mixed $value, string $label): null|bool|int|float|string|Bytes
    {
        $value = match (true) {
            $value === null, is_scalar($value), $value instanceof Bytes => $value,
            $value instanceof BackedEnum => $value->value,
            $value instanceof DateTimeInterface => self::time($value),
            $value instanceof Stringable => (string) $value,
            default => throw InvalidParams::type($label, get_debug_type($value)),
        };
        return is_string($value) && preg_match('//u', $value) !== 1 ? throw InvalidParams::because(
            "parameter $label: the string is not valid UTF-8; bind it as bytes (Lyger\\Database\\Bytes)"
        ) : $value;
    }

    /**
     * A time in UTC, which is every session's time zone, in the one form that all databases take for their timestamps
     * and that SQLite's CURRENT_TIMESTAMP has: `2024-01-02 03:04:05`, with microseconds where there are some.
     */
    private static function time(DateTimeInterface $time): string
    {
        $utc = DateTimeImmutable::createFromInterface($time)->setTimezone(new DateTimeZone('UTC'));
        return $utc->format($utc->format('u') === '000000' ? 'Y-m-d H:i:s' : 'Y-m-d H:i:s.u');
    }

    /** @param list<string>|null $names */
    private static function label(?array $names, int $index): string
    {
        return $names === null ? (string) ($index + 1) : ":$names[$index]";
    }

    private static function item(mixed $item, string $label): null|bool|int|float|string|Bytes
    {
        return is_array($item)
            ? throw InvalidParams::because("parameter $label: a list holds values, and no list")
            : self::value($item, $label);
    }

    private static function packed(mixed $value, string $label): string
    {
        if (is_array($value)) {
            $packed = "\x07" . pack('V', count($value));
            foreach ($value as $item) {
                $packed .= self::packedValue(self::item($item, $label));
            }
            return $packed;
        }
        return self::packedValue(self::value($value, $label));
    }

    private static function packedValue(null|bool|int|float|string|Bytes $value): string
    {
        return match (true) {
            $value === null => "\x00",
            $value === false => "\x01",
            $value === true => "\x02",
            is_int($value) => "\x03" . pack('P', $value),
            is_float($value) => "\x04" . pack('e', $value),
            $value instanceof Bytes => "\x06" . pack('V', strlen($value->bytes)) . $value->bytes,
            default => "\x05" . pack('V', strlen($value)) . $value,
        };
    }
}
