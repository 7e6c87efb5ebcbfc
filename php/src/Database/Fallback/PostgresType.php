<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** What a column of PostgreSQL holds, where it is no array: how its text becomes a value. */
enum PostgresType implements PostgresReader
{
    case Bool;
    case Integer;
    case Unsigned;
    case Single;
    case Double;
    case Numeric;
    case Number;
    case Text;
    case Json;
    case Bytea;
    case Timestamp;
    case Timestamptz;
    /** Of either kind, in the server's own text. */
    case SqlTime;

    /** OIDs of built-in types never change: pg_type.dat. */
    public static function ofOid(int $oid): ?self
    {
        return match ($oid) {
            16 => self::Bool,
            // int8, int2, int4, oid, xid, cid
            20, 21, 23, 26, 28, 29 => self::Integer,
            // xid8
            5069 => self::Unsigned,
            700 => self::Single,
            701 => self::Double,
            1700 => self::Numeric,
            // "char", name, text, unknown, char(n), varchar, uuid, date, time, void
            18, 19, 25, 705, 1042, 1043, 2950, 1082, 1083, 2278 => self::Text,
            114, 3802 => self::Json,
            17 => self::Bytea,
            1114 => self::Timestamp,
            1184 => self::Timestamptz,
            default => null,
        };
    }

    public function kind(): Kind
    {
        return match ($this) {
            self::Json => Kind::Json,
            self::Bytea => Kind::Bytes,
            self::Single => Kind::Single,
            self::Number => Kind::Number,
            self::Unsigned => Kind::Integer,
            default => Kind::Text,
        };
    }

    public function value(mixed $value): mixed
    {
        return match ($this) {
            self::Bool => is_bool($value) ? $value : $value === 't',
            self::Integer => (int) $value,
            self::Unsigned => (string) (int) $value === $value ? (int) $value : (string) $value,
            self::Single, self::Number => is_numeric($value) ? (string) $value : self::double((string) $value),
            self::Double => self::double((string) $value),
            self::Bytea => is_resource($value) ? (string) stream_get_contents($value) : $value,
            self::Timestamp => self::rfc3339((string) $value, ''),
            self::Timestamptz => self::rfc3339((string) $value, 'Z'),
            default => (string) $value,
        };
    }

    private static function double(string $value): float
    {
        return match ($value) {
            'NaN' => NAN,
            'Infinity' => INF,
            '-Infinity' => 0 - INF,
            default => (float) $value,
        };
    }

    /** 2024-01-02 03:04:05.5+00 BC; infinity stays what it is. */
    private static function rfc3339(string $value, string $zone): string
    {
        return preg_replace('/^(\d+-\d\d-\d\d) ([\d:.]+)(?:\+00)?( BC)?$/D', "\$1T\$2$zone\$3", $value) ?? $value;
    }
}
