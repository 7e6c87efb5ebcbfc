<?php

declare(strict_types=1);

namespace Lyger\Exception;

/**
 * The database refused the statement; sqlstate() and the message are its own. What an application decides by has a
 * class of its own: ConstraintViolation with UniqueViolation, TransactionConflict, LockTimeout.
 */
class QueryFailed extends LygerException
{
    /** What databases tell by their words alone: SQLite, and MySQL, whose one SQLSTATE means any constraint. */
    private const UNIQUE = '~^(?:UNIQUE constraint failed|Duplicate entry )~';
    private const LOCKED = '~^(?:Lock wait timeout exceeded|database (?:table |schema )?is locked)~';

    /** The class that fits. */
    final public static function because(string $reason, ?string $sqlstate = null): self
    {
        $class = match (true) {
            $sqlstate === '23505' => UniqueViolation::class,
            $sqlstate === '40001', $sqlstate === '40P01' => TransactionConflict::class,
            $sqlstate === '55P03' => LockTimeout::class,
            str_starts_with((string) $sqlstate, '23') => preg_match(self::UNIQUE, $reason) === 1
                ? UniqueViolation::class
                : ConstraintViolation::class,
            $sqlstate === 'HY000' && preg_match(self::LOCKED, $reason) === 1 => LockTimeout::class,
            default => self::class,
        };
        return new $class($reason, $sqlstate);
    }
}
