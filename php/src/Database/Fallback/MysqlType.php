<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\UnsupportedType;

/** What a column of MySQL holds: how mysqli's value becomes ours. */
enum MysqlType
{
    case Integer;
    case Unsigned;
    case Single;
    case Double;
    case Text;
    case Bytes;
    case Json;
    case Date;
    case Time;
    case Datetime;
    case Timestamp;

    /** The character set "binary": what tells a BLOB from a TEXT. */
    private const BINARY = 63;

    /** @param object{name: string, type: int, flags: int, charsetnr: int} $field */
    public static function of(object $field): self
    {
        $isUnsigned = ($field->flags & MYSQLI_UNSIGNED_FLAG) !== 0;
        $isList = ($field->flags & (MYSQLI_ENUM_FLAG | MYSQLI_SET_FLAG)) !== 0;
        return match ($field->type) {
            MYSQLI_TYPE_TINY, MYSQLI_TYPE_SHORT, MYSQLI_TYPE_INT24, MYSQLI_TYPE_LONG, MYSQLI_TYPE_YEAR => self::Integer,
            MYSQLI_TYPE_LONGLONG => $isUnsigned ? self::Unsigned : self::Integer,
            MYSQLI_TYPE_FLOAT => self::Single,
            MYSQLI_TYPE_DOUBLE => self::Double,
            MYSQLI_TYPE_DECIMAL, MYSQLI_TYPE_NEWDECIMAL, MYSQLI_TYPE_NULL => self::Text,
            MYSQLI_TYPE_DATE, MYSQLI_TYPE_NEWDATE => self::Date,
            MYSQLI_TYPE_TIME => self::Time,
            MYSQLI_TYPE_DATETIME => self::Datetime,
            MYSQLI_TYPE_TIMESTAMP => self::Timestamp,
            MYSQLI_TYPE_JSON => self::Json,
            MYSQLI_TYPE_BIT
                => throw UnsupportedType::column($field->name, 'BIT', "write `{$field->name}` + 0 in the SELECT list"),
            MYSQLI_TYPE_GEOMETRY => throw UnsupportedType::column(
                $field->name,
                'GEOMETRY',
                "write ST_AsText(`{$field->name}`) in the SELECT list",
            ),
            default => $field->charsetnr === self::BINARY && !$isList ? self::Bytes : self::Text,
        };
    }

    public function kind(): Kind
    {
        return match ($this) {
            self::Unsigned => Kind::Integer,
            self::Single => Kind::Single,
            self::Bytes => Kind::Bytes,
            self::Json => Kind::Json,
            default => Kind::Text,
        };
    }

    public function value(mixed $value): mixed
    {
        return match ($this) {
            self::Integer => (int) $value,
            self::Single => sprintf('%.*H', -1, (float) $value),
            self::Double => (float) $value,
            self::Time => self::trimmed((string) $value),
            self::Datetime => strtr(self::trimmed((string) $value), ' ', 'T'),
            self::Timestamp => strtr(self::trimmed((string) $value), ' ', 'T') . 'Z',
            default => $value,
        };
    }

    /** A fraction only where there is one, without zeros at its end. */
    private static function trimmed(string $time): string
    {
        return str_contains($time, '.') ? rtrim(rtrim($time, '0'), '.') : $time;
    }
}
