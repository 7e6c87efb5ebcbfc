<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\LygerException;

/**
 * The number that a driver of PDO or mysqli has for a failure, which libraries and applications compare
 * (`$e->errorInfo[1] === 1062`). The engine tells SQLSTATE and message alone; what the two leave open in MySQL the
 * English beginning of the message decides (`lc_messages` is English unless somebody sets it).
 */
final class ErrorNumber
{
    /** The first of each SQLSTATE whose pattern fits. */
    private const MYSQL = [
        '22001' => ['~~' => 1406],
        '22003' => ['~~' => 1264],
        '23000' => [
            '~^Duplicate entry ~' => 1062,
            '~^Cannot delete or update a parent row: a foreign key~' => 1451,
            '~^Cannot add or update a child row: a foreign key~' => 1452,
            '~^Column .* cannot be null~' => 1048,
            '~^Column .* is ambiguous~' => 1052,
            '~^CONSTRAINT .* failed for~' => 4025,
        ],
        '28000' => ['~~' => 1045],
        '40001' => ['~~' => 1213],
        '42000' => [
            '~^You have an error in your SQL syntax~' => 1064,
            '~^Unknown database~' => 1049,
            '~^Access denied for user .* to database~' => 1044,
            '~command denied to user~' => 1142,
            "~^Key column .* doesn't exist~" => 1072,
            '~~' => 1064,
        ],
        '42S01' => ['~~' => 1050],
        '42S02' => ['~^Unknown table~' => 1051, '~~' => 1146],
        '42S21' => ['~~' => 1060],
        '42S22' => ['~~' => 1054],
        'HY000' => [
            '~^Lock wait timeout exceeded~' => 1205,
            "~^Field .* doesn't have a default value~" => 1364,
            "~^Can't drop database .* doesn't exist~" => 1008,
        ],
    ];
    private const MYSQL_UNREACHABLE = 2002;
    private const MYSQL_UNKNOWN = 1105;

    /** SQLite's own result codes. */
    private const SQLITE = ['~ constraint failed~' => 19, '~^database (?:table |schema )?is locked~' => 5, '~~' => 1];

    /** libpq's PGRES_FATAL_ERROR, whatever failed: PostgreSQL has SQLSTATEs. */
    private const PGSQL = 7;

    public static function of(LygerException $failure, Dialect $dialect): int
    {
        $message = $failure->getMessage();
        return match ($dialect) {
            Dialect::Pgsql => self::PGSQL,
            Dialect::Sqlite => (int) self::find(self::SQLITE, $message),
            Dialect::Mysql => self::find(self::MYSQL[$failure->sqlstate() ?? ''] ?? [], $message)
                ?? ($failure instanceof ConnectionFailed ? self::MYSQL_UNREACHABLE : self::MYSQL_UNKNOWN),
        };
    }

    /** @param array<string, int> $patterns */
    private static function find(array $patterns, string $message): ?int
    {
        foreach ($patterns as $pattern => $number) {
            if (preg_match($pattern, $message) === 1) {
                return $number;
            }
        }
        return null;
    }
}
