<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Closure;
use Lyger\Database\Client;
use ReflectionMethod;
use Throwable;

/**
 * Transactions of an Eloquent connection, as Db has them: counted for each request and not for each connection object,
 * so that requests under way side by side don't count each other's, and what Db has begun counts as well.
 *
 * Each one within another is a savepoint, and what the database has rolled back by itself is not gone on with: see
 * Lyger\Database\Transaction.
 */
trait Transacts
{
    public function transaction(Closure $callback, $attempts = 1)
    {
        for (;; $attempts--) {
            $this->beginTransaction();
            $level = $this->transactionLevel();
            try {
                $outcome = $callback($this);
                $this->commit();
                return $outcome;
            } catch (Throwable $reason) {
                $this->abandon($level);
                // Within another one that is lost as well, and only the outermost can be run again.
                if ($level > 1 || $attempts <= 1 || !$this->causedByConcurrencyError($reason)) {
                    throw $reason;
                }
            }
        }
    }

    public function beginTransaction()
    {
        foreach ($this->transactionLevel() === 0 ? $this->beforeStartingTransaction ?? [] : [] as $callback) {
            $callback($this);
        }
        $this->attempt(fn () => $this->lyger->begin());
        $this->transactionsManager?->begin($this->getName(), $this->transactionLevel());
        $this->fireConnectionEvent('beganTransaction');
    }

    public function commit()
    {
        $level = $this->transactionLevel();
        if ($level === 1) {
            $this->fireConnectionEvent('committing');
        }
        $this->attempt(fn () => $this->lyger->commit());
        if ($this->transactionsManager !== null) {
            // Before Laravel 10 it was told of the outermost alone.
            $ofEach = (new ReflectionMethod($this->transactionsManager, 'commit'))->getNumberOfParameters() > 1;
            if ($ofEach || $level === 1) {
                $this->transactionsManager->commit($this->getName(), $level, max(0, $level - 1));
            }
        }
        $this->fireConnectionEvent('committed');
    }

    public function rollBack($toLevel = null)
    {
        $toLevel ??= $this->transactionLevel() - 1;
        if ($toLevel < 0 || $toLevel >= $this->transactionLevel()) {
            return;
        }
        try {
            while ($this->transactionLevel() > $toLevel) {
                $this->attempt(fn () => $this->lyger->rollback());
            }
        } finally {
            $this->transactionsManager?->rollback($this->getName(), $this->transactionLevel());
        }
        $this->fireConnectionEvent('rollingBack');
    }

    public function transactionLevel()
    {
        return Client::current()->transaction($this->lyger->dsn())->level();
    }

    /** Rolls back what is open from this level on, when the reason is about to be thrown. */
    private function abandon(int $level): void
    {
        while ($this->transactionLevel() >= $level) {
            try {
                $this->rollBack();
            } catch (Failure) {
                // It has ended by itself, as the reason tells, or ends with its connection.
            }
        }
    }
}
