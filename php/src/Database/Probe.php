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

    /** @param Closure(string): void $run runs a statement of the client */
    public static function state(Dialect $dialect, Closure $run): TransactionState
    {
        return match ($dialect) {
            Dialect::Pgsql => self::pgsql($run),
            Dialect::Mysql => self::mysql($run),
            Dialect::Sqlite => self::sqlite($run),
        };
    }

    /** @param Closure(string): void $run */
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
     * Outside of a transaction a savepoint is gone at once.
     *
     * @param Closure(string): void $run
     */
    private static function mysql(Closure $run): TransactionState
    {
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
     * @param Closure(string): void $run
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
     * @param Closure(string): void $run
     */
    private static function none(Closure $run): TransactionState
    {
        $run('ROLLBACK');
        return TransactionState::None;
    }
}
