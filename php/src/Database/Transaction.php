<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Core\Engine;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Exception\TransactionFailed;

/**
 * The transactions of one client on one database, one within the other: the outermost is the database's, those within
 * are savepoints.
 *
 * What always holds: what the database says of its state is believed more than what was called. Once it has rolled the
 * transaction back by itself (a deadlock in MySQL, a broken connection), nothing runs before rollback() has been called
 * for each begin(): it would be carried out at once.
 */
final class Transaction
{
    /** @var list<string|null> for each begin() its savepoint; null is the database's own transaction */
    private array $begun = [];
    private ?LygerException $lost = null;
    /** @var list<string> statements to run when it has ended */
    private array $afterwards = [];

    public function __construct(private readonly string $dsn)
    {
    }

    public function level(): int
    {
        return count($this->begun);
    }

    public function isOpen(): bool
    {
        return $this->lost === null && $this->state() !== TransactionState::None;
    }

    public function begin(Dialect $dialect, ?Isolation $isolation = null, bool $readOnly = false): void
    {
        $this->checkLost();
        $isOpen = $this->isOpen();
        if ($this->begun !== [] && !$isOpen) {
            throw TransactionFailed::ended();
        }
        if ($isOpen) {
            if ($isolation !== null || $readOnly) {
                throw InvalidArgument::because('isolation and read-only are the outermost transaction\'s to choose');
            }
            $savepoint = 'lyger_' . count($this->begun);
            $this->during(fn () => $this->run("SAVEPOINT $savepoint"));
            $this->begun[] = $savepoint;
            return;
        }
        $this->afterwards = $dialect->afterwards($readOnly);
        foreach ($dialect->begin($isolation, $readOnly) as $sql) {
            $this->run($sql);
        }
        $this->begun = [null];
    }

    public function commit(): void
    {
        if ($this->begun === []) {
            throw TransactionFailed::none('commit');
        }
        $lost = $this->lost;
        $savepoint = $this->begun[count($this->begun) - 1];
        $state = $lost === null ? $this->state() : TransactionState::None;
        if ($state === TransactionState::Open) {
            try {
                $this->run($savepoint === null ? 'COMMIT' : "RELEASE SAVEPOINT $savepoint");
            } catch (LygerException $exception) {
                // SQLite may be too busy to commit: that one is still open, and can be committed later.
                if ($this->state() === TransactionState::None) {
                    $this->leave();
                    $this->lost = $this->begun === [] ? null : $exception;
                }
                throw $exception;
            }
            $this->leave();
            return;
        }
        if ($state === TransactionState::Failed) {
            $this->undo($savepoint);
        }
        $this->leave();
        throw match (true) {
            $lost !== null => TransactionFailed::lost($lost),
            $state === TransactionState::Failed => TransactionFailed::failed(),
            default => TransactionFailed::ended(),
        };
    }

    public function rollback(): void
    {
        if ($this->begun === []) {
            throw TransactionFailed::none('rollback');
        }
        $savepoint = $this->begun[count($this->begun) - 1];
        if ($this->lost !== null) {
            $this->leave();
            return; // as it was meant
        }
        $state = $this->state();
        try {
            if ($state !== TransactionState::None) {
                $this->undo($savepoint);
            }
        } catch (ConnectionFailed) {
            // Without its connection nothing of it stays.
        } finally {
            $this->leave();
        }
        if ($state === TransactionState::None) {
            throw TransactionFailed::ended();
        }
    }

    /** @param string $word SAVEPOINT, ROLLBACK TO SAVEPOINT or RELEASE SAVEPOINT */
    public function savepoint(string $word, string $name): void
    {
        if (preg_match('/^[a-zA-Z_][a-zA-Z0-9_]{0,62}$/D', $name) !== 1) {
            throw InvalidArgument::because('a savepoint\'s name has letters, digits and _, and no more than 63', $name);
        }
        $this->during(function () use ($word, $name): void {
            if ($this->state() === TransactionState::None) {
                throw $this->begun === [] ? TransactionFailed::none($word) : TransactionFailed::ended();
            }
            $this->run("$word $name");
        });
    }

    /**
     * Runs a statement, which belongs to the transaction if there is one.
     *
     * @template T
     * @param callable(): T $statement
     * @return T
     */
    public function during(callable $statement): mixed
    {
        if ($this->begun === []) {
            return $statement();
        }
        $this->checkLost();
        try {
            return $statement();
        } catch (LygerException $exception) {
            if ($this->state() === TransactionState::None) {
                $this->lost = $exception;
            }
            throw $exception;
        }
    }

    private function checkLost(): void
    {
        if ($this->lost !== null) {
            throw TransactionFailed::lost($this->lost);
        }
    }

    private function undo(?string $savepoint): void
    {
        if ($savepoint === null) {
            $this->run('ROLLBACK');
            return;
        }
        $this->run("ROLLBACK TO SAVEPOINT $savepoint");
        $this->run("RELEASE SAVEPOINT $savepoint");
    }

    /** The innermost is over. */
    private function leave(): void
    {
        array_pop($this->begun);
        if ($this->begun !== []) {
            return;
        }
        [$lost, $this->lost] = [$this->lost, null];
        [$afterwards, $this->afterwards] = [$this->afterwards, []];
        try {
            // The engine is told as well: without it nothing runs in the place of what was lost.
            foreach ($lost === null ? $afterwards : ['ROLLBACK', ...$afterwards] as $sql) {
                $this->run($sql);
            }
        } catch (LygerException $exception) {
            // SQLite knows of nothing to roll back any more.
            if ($lost === null) {
                throw $exception;
            }
        }
    }

    private function run(string $sql): void
    {
        $engine = Engine::getInstance();
        $engine->freeResult($engine->dbExecute($this->dsn, $sql));
    }

    private function state(): TransactionState
    {
        return Engine::getInstance()->transactionState($this->dsn);
    }
}
