<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Closure;
use Doctrine\DBAL\Driver\AbstractException;
use Lyger\Database\Dialect;
use Lyger\Database\ErrorNumber;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\LygerException;

/**
 * The engine's failure as DBAL looks at it, which makes a UniqueConstraintViolationException of it and the like: by the
 * SQLSTATE in PostgreSQL, by the number in MySQL, by the message in SQLite.
 */
final class Failure extends AbstractException
{
    /** DBAL's name for a connection that can't be made or is broken. */
    private const PGSQL_UNREACHABLE = '08006';

    public static function of(LygerException $failure, Dialect $dialect): self
    {
        $sqlstate = $failure->sqlstate();
        if ($dialect === Dialect::Pgsql && $failure instanceof ConnectionFailed) {
            $sqlstate = $sqlstate === '3D000' ? $sqlstate : self::PGSQL_UNREACHABLE;
        }
        return new self($failure->getMessage(), $sqlstate, ErrorNumber::of($failure, $dialect), $failure);
    }

    public static function because(string $reason): self
    {
        return new self($reason);
    }

    /**
     * @template T
     * @param Closure(): T $statement
     * @return T
     */
    public static function convert(Dialect $dialect, Closure $statement): mixed
    {
        try {
            return $statement();
        } catch (LygerException $failure) {
            throw self::of($failure, $dialect);
        }
    }
}
