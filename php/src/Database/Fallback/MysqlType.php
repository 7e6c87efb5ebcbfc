<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Options;

/** What a column of MySQL holds: how mysqli's value becomes ours. */
enum MysqlType
{
    case Integer;
    case Unsigned;
    case Single;
    case Double;
    case Number;
    case Text;
    case Bytes;
    case Json;
    case Date;
    case Time;
    case Datetime;
    case Timestamp;
    case SqlTime;

    /** The character set "binary": what tells a BLOB from a TEXT. */
    private const BINARY = 63;

    /** @param object{name: string, type: int, flags: int, charsetnr: int} $field */
    public static function of(object $field, Options $options = new Options()): self
    {
        $isUnsigned = ($field->flags & MYSQLI_UNSIGNED_FLAG) !== 0;
        return match ($field->type) {
            MYSQLI_TYPE_TINY, MYSQLI_TYPE_SHORT, MYSQLI_TYPE_INT24, MYSQLI_TYPE_LONG, MYSQLI_TYPE_YEAR => self::Integer,
            MYSQLI_TYPE_LONGLONG => $isUnsigned ? self::Unsigned : self::Integer,
            MYSQLI_TYPE_FLOAT => self::Single,
            MYSQLI_TYPE_DOUBLE => self::Double,
            MYSQLI_TYPE_DECIMAL, MYSQLI_TYPE_NEWDECIMAL => $options->decimalsAsNumbers ? self::Number : self::Text,
            MYSQLI_TYPE_NULL => self::Text,
            MYSQLI_TYPE_DATE, MYSQLI_TYPE_NEWDATE => self::Date,
            MYSQLI_TYPE_TIME => self::Time,
            MYSQLI_TYPE_DATETIME => $options->timesAsSql ? self::SqlTime : self::Datetime,
            MYSQLI_TYPE_TIMESTAMP => $options->timesAsSql ? self::SqlTime : self::Timestamp,
            MYSQLI_TYPE_JSON => self::Json,
            MYSQLI_TYPE_BIT => self::Unsigned,
            // The server's own form: four bytes of SRID, then the WKB of OpenGIS.
            MYSQLI_TYPE_GEOMETRY => self::Bytes,
            default => $field->charsetnr === self::BINARY ? self::Bytes : self::Text,
        };
    }

    public function kind(): Kind
    {
        return match ($this) {
            self::Unsigned => Kind::Integer,
            self::Single => Kind::Single,
            self::Number => Kind::Number,
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
            // JSON has no 007.50, which is what a column with ZEROFILL sends.
            self::Number => preg_replace('/^0+(?=\d)/', '', (string) $value),
            self::Time, self::SqlTime => self::trimmed((string) $value),
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
