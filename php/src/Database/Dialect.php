<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Database\Fallback\Dsn;
use SensitiveParameter;

/** The SQL that differs from database to database. */
enum Dialect: string
{
    case Pgsql = 'pgsql';
    case Mysql = 'mysql';
    case Sqlite = 'sqlite';

    public static function of(#[SensitiveParameter] string $dsn): self
    {
        return match (Dsn::parse($dsn)->dialect) {
            'postgres' => self::Pgsql,
            'mysql' => self::Mysql,
            default => self::Sqlite,
        };
    }

    /**
     * Statements that begin a transaction.
     *
     * SQLite's takes the lock for writing at once: one that reads first and writes later fails without any wait when
     * another has written meanwhile.
     *
     * @return list<string>
     */
    public function begin(?Isolation $isolation, bool $readOnly): array
    {
        $level = $isolation === null ? '' : " ISOLATION LEVEL {$isolation->value}";
        return match ($this) {
            self::Pgsql => ["BEGIN$level" . ($readOnly ? ' READ ONLY' : '')],
            self::Mysql => [
                ...($isolation === null ? [] : ["SET TRANSACTION$level"]),
                $readOnly ? 'START TRANSACTION READ ONLY' : 'START TRANSACTION',
            ],
            self::Sqlite => $readOnly ? ['BEGIN', 'PRAGMA query_only = 1'] : ['BEGIN IMMEDIATE'],
        };
    }

    /**
     * Statements that put back what begin() has set beside the transaction.
     *
     * @return list<string>
     */
    public function afterwards(bool $readOnly): array
    {
        return $this === self::Sqlite && $readOnly ? ['PRAGMA query_only = 0'] : [];
    }

    /** @return list<string> */
    public function lockTimeout(float $seconds): array
    {
        $ms = (int) ceil($seconds * 1000);
        $whole = (int) ceil($seconds);
        return match ($this) {
            self::Pgsql => ["SET lock_timeout = $ms"],
            self::Mysql => ["SET innodb_lock_wait_timeout = $whole, lock_wait_timeout = $whole"],
            self::Sqlite => ["PRAGMA busy_timeout = $ms"],
        };
    }

    /** Null where the database can't tell what happened while the statement ran. */
    public function explain(string $sql, bool $analyze): ?string
    {
        return match ($this) {
            self::Pgsql => $analyze
                ? "EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS) $sql"
                : "EXPLAIN (FORMAT JSON) $sql",
            self::Mysql => $analyze ? "ANALYZE FORMAT=JSON $sql" : "EXPLAIN FORMAT=JSON $sql",
            self::Sqlite => $analyze ? null : "EXPLAIN QUERY PLAN $sql",
        };
    }
}
