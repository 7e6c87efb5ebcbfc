<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Core\Engine;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Exception\TransactionFailed;
use SensitiveParameter;

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
    /** What neither begins nor ends a transaction as long as it succeeds. */
    private const HARMLESS = '~^\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|VALUES|WITH)\b~i';
    /** How many of those are remembered, and how long they may be: an application has a few hundred. */
    private const REMEMBERED_MAX = 512;
    private const REMEMBERED_BYTES_MAX = 4_096;

    /** @var array<string, true> those of the statements before: to look a text up costs a tenth of reading it */
    private static array $harmless = [];

    /** @var list<string|null> for each begin() its savepoint; null is the database's own transaction */
    private array $begun = [];
    private ?LygerException $lost = null;
    /** isOpen() has said that what was begun has ended by itself. */
    private bool $isKnownToBeOver = false;
    /** A connection has broken, perhaps one with settings on it: the engine runs nothing in its place before a ROLLBACK. */
    private bool $hasBroken = false;
    /** @var list<string> statements to run when it has ended */
    private array $afterwards = [];
    /** Something happened after which the database is to be asked, because it may have begun or ended a transaction. */
    private bool $isInDoubt = false;
    /** MySQL's autocommit may be off: then any statement begins a transaction, and none of them says so. */
    private bool $mayAnythingBegin = false;
    /** A statement of this class runs. */
    private bool $isOwn = false;

    public function __construct(#[SensitiveParameter] private readonly string $dsn)
    {
    }

    public function level(): int
    {
        return count($this->begun);
    }

    /** Whoever is told that there is none may begin another, without an end for the one that has ended by itself. */
    public function isOpen(): bool
    {
        $isOpen = $this->lost === null && $this->state() !== TransactionState::None;
        $this->isKnownToBeOver = !$isOpen && $this->lost === null;
        return $isOpen;
    }

    public function begin(?Isolation $isolation = null, bool $readOnly = false): void
    {
        $this->checkLost();
        $isOpen = $this->state() !== TransactionState::None;
        if ($this->begun !== [] && !$isOpen) {
            if (!$this->isKnownToBeOver) {
                throw TransactionFailed::ended();
            }
            $this->begun = array_slice($this->begun, 0, 1);
            $this->leave();
        }
        $this->isKnownToBeOver = false;
        if ($isOpen) {
            if ($isolation !== null || $readOnly) {
                throw InvalidArgument::because('isolation and read-only are the outermost transaction\'s to choose');
            }
            $savepoint = 'lyger_' . count($this->begun);
            $this->run("SAVEPOINT $savepoint");
            $this->begun[] = $savepoint;
            return;
        }
        $dialect = Dialect::of($this->dsn);
        $this->afterwards = $dialect->afterwards($readOnly);
        foreach ($dialect->begin($isolation, $readOnly) as $sql) {
            $this->run($sql);
        }
        $this->begun = [null];
    }

    public function commit(): void
    {
        $this->adopt('commit');
        $lost = $this->lost;
        $savepoint = $this->begun[count($this->begun) - 1];
        $state = $lost === null ? $this->state() : TransactionState::None;
        if ($state === TransactionState::Open) {
            try {
                $this->run($savepoint === null ? 'COMMIT' : "RELEASE SAVEPOINT $savepoint");
            } catch (LygerException $exception) {
                // SQLite may be too busy to commit: that one is still open, and can be committed later.
                if ($this->lost !== null) {
                    $this->leave();
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
        if (!$this->hasBroken) {
            $this->adopt('rollback');
        }
        if ($this->begun === []) {
            $this->hasBroken = false;
            $this->run('ROLLBACK');
            return;
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

    /** The client has ended. The engine rolls back; what was set beside the transaction is put back here. */
    public function end(): void
    {
        $this->begun = array_slice($this->begun, 0, 1);
        if ($this->afterwards !== [] && $this->begun !== []) {
            $this->rollback();
        }
    }

    /** @param string $word SAVEPOINT, ROLLBACK TO SAVEPOINT or RELEASE SAVEPOINT */
    public function savepoint(string $word, string $name): void
    {
        if (preg_match('/^[a-zA-Z_][a-zA-Z0-9_]{0,62}$/D', $name) !== 1) {
            throw InvalidArgument::because('a savepoint\'s name has letters, digits and _, and no more than 63', $name);
        }
        $this->checkLost();
        if ($this->state() === TransactionState::None) {
            throw $this->begun === [] ? TransactionFailed::none($word) : TransactionFailed::ended();
        }
        $this->run("$word $name");
    }

    /**
     * Runs a statement, which belongs to the transaction if there is one.
     *
     * @template T
     * @param callable(): T $statement
     * @return T
     */
    public function during(string $sql, callable $statement): mixed
    {
        $this->admit($sql);
        try {
            return $statement();
        } catch (LygerException $exception) {
            throw $this->failed($exception);
        }
    }

    /** A statement is about to run: during(), without a closure for each. Whoever calls it tells failed() what it throws. */
    public function admit(string $sql): void
    {
        if ($this->isOwn) {
            return;
        }
        if ($this->lost !== null) {
            throw TransactionFailed::lost($this->lost);
        }
        if (isset(self::$harmless[$sql])) {
            return;
        }
        if (preg_match(self::HARMLESS, $sql) !== 1) {
            $this->isInDoubt = true;
            $this->mayAnythingBegin = $this->mayAnythingBegin || stripos($sql, 'autocommit') !== false;
        } elseif (strlen($sql) <= self::REMEMBERED_BYTES_MAX) {
            if (count(self::$harmless) >= self::REMEMBERED_MAX) {
                self::$harmless = [];
            }
            self::$harmless[$sql] = true;
        }
    }

    /** The statement that was admitted has failed. Gives what is to be thrown. */
    public function failed(LygerException $exception): LygerException
    {
        if ($this->isOwn) {
            return $exception;
        }
        if ($this->begun === []) {
            $this->hasBroken = $this->hasBroken || $exception instanceof ConnectionFailed;
            return $exception;
        }
        $this->isInDoubt = true;
        if ($this->state() === TransactionState::None) {
            $this->lost = $exception;
        }
        return $exception;
    }

    private function checkLost(): void
    {
        if ($this->lost !== null) {
            throw TransactionFailed::lost($this->lost);
        }
    }

    /** What SQL has begun, and no begin(), is ended as if it were one's own. */
    private function adopt(string $end): void
    {
        if ($this->begun !== []) {
            return;
        }
        $state = $this->state();
        if ($state === TransactionState::None && $this->hasBroken && $end === 'rollback') {
            return; // asking has shown it
        }
        if ($state === TransactionState::None) {
            throw TransactionFailed::none($end);
        }
        $this->begun = [null];
        $this->isInDoubt = $state !== TransactionState::Open;
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
        $savepoint = array_pop($this->begun);
        if ($this->begun !== []) {
            return;
        }
        if ($savepoint !== null) {
            $this->isInDoubt = true; // it lay in a transaction that was begun in SQL
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

    /** @return list<mixed> the first column of the statement's rows */
    private function run(string $sql): array
    {
        $engine = Engine::getInstance();
        [$isOwn, $this->isOwn] = [$this->isOwn, true];
        try {
            return (array) $engine->fetch($this->dsn, $sql, [], Form::FirstColumn);
        } catch (LygerException $exception) {
            $this->isInDoubt = true;
            if (!$isOwn && $this->begun !== [] && $this->state() === TransactionState::None) {
                $this->lost = $exception;
            }
            throw $exception;
        } finally {
            $this->isOwn = $isOwn;
        }
    }

    private function state(): TransactionState
    {
        if (!$this->isInDoubt && !$this->mayAnythingBegin) {
            return $this->begun === [] ? TransactionState::None : TransactionState::Open;
        }
        $this->isOwn = true;
        try {
            $state = Engine::getInstance()->transactionState($this->dsn)
                ?? Probe::state(Dialect::of($this->dsn), $this->run(...));
        } catch (ConnectionFailed) {
            $state = TransactionState::None; // it went with its connection
            $this->hasBroken = $this->hasBroken || $this->begun === [];
        } finally {
            $this->isOwn = false;
        }
        $isAsBegun = $state === ($this->begun === [] ? TransactionState::None : TransactionState::Open);
        $this->isInDoubt = !$isAsBegun;
        return $state;
    }
}
