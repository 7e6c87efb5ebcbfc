<?php

declare(strict_types=1);

namespace Lyger\Database;

use Closure;
use Lyger\Exception\QueryFailed;

/** Asks a database, in its own SQL, whether a transaction is open, where the engine can't tell by itself. */
final class Probe
{
    private const NO_TRANSACTION = '25P01';
    private const FAILED = '25P02';

    /** @param Closure(string): list<mixed> $run runs a statement of the client and gives its first column */
    public static function state(Dialect $dialect, Closure $run): TransactionState
    {
        return match ($dialect) {
            Dialect::Pgsql => self::pgsql($run),
            Dialect::Mysql => self::mysql($run),
            Dialect::Sqlite => self::sqlite($run),
        };
    }

    /** @param Closure(string): list<mixed> $run */
    private static function pgsql(Closure $run): TransactionState
    {
        try {
            $run('SAVEPOINT lyger_probe');
            $run('RELEASE SAVEPOINT lyger_probe');
            return TransactionState::Open;
        } catch (QueryFailed $failed) {
            if ($failed->sqlstate() === self::FAILED) {
                return TransactionState::Failed;
            }
            if ($failed->sqlstate() !== self::NO_TRANSACTION) {
                throw $failed;
            }
        }
        return self::none($run);
    }

    /**
     * MariaDB tells it. In MySQL a savepoint is gone at once outside of a transaction; where its autocommit is off,
     * one is always open.
     *
     * @param Closure(string): list<mixed> $run
     */
    private static function mysql(Closure $run): TransactionState
    {
        try {
            $isOpen = $run('SELECT @@in_transaction') === [1];
        } catch (QueryFailed) {
            $isOpen = null; // MySQL has no such variable
        }
        if ($isOpen !== null) {
            return $isOpen ? TransactionState::Open : self::none($run);
        }
        $run('SAVEPOINT lyger_probe');
        try {
            $run('RELEASE SAVEPOINT lyger_probe');
            return TransactionState::Open;
        } catch (QueryFailed) {
            return self::none($run);
        }
    }

    /**
     * A second transaction is refused, and beginning one takes no lock.
     *
     * @param Closure(string): list<mixed> $run
     */
    private static function sqlite(Closure $run): TransactionState
    {
        try {
            $run('BEGIN');
        } catch (QueryFailed) {
            return TransactionState::Open;
        }
        return self::none($run);
    }

    /**
     * The engine is told that the question has left nothing on the connection.
     *
     * @param Closure(string): list<mixed> $run
     */
    private static function none(Closure $run): TransactionState
    {
        $run('ROLLBACK');
        return TransactionState::None;
    }
}
