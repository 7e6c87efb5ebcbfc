<?php

declare(strict_types=1);

namespace Lyger\Database;

use Closure;
use Generator;
use Lyger\Core\Engine;
use Lyger\Core\ResultInfo;
use Lyger\Database\Fallback\Dsn;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Exception\TransactionConflict;
use Lyger\Exception\TransactionFailed;
use Lyger\Http\SqlResponse;
use Lyger\Vector\Store;
use SensitiveParameter;
use Throwable;

/**
 * One database.
 *
 *     $db = Db::connect('sqlite:shop.sqlite');
 *     $rows = $db->query('SELECT id, name FROM products WHERE price < ?', [20]);
 *     return $db->respond('SELECT id, name FROM products WHERE price < ?', [20]);
 *
 * Parameters are bound, never spliced: `?` by position, `:id` by name (['id' => 5]), and `IN (?)` with a list, in every
 * database; $1 in PostgreSQL too. They are null, bool, int, float, string (UTF-8), Bytes, enums and times.
 *
 * Each statement may run on another connection, until one leaves something on its own: a transaction, a setting, a
 * temporary table, a lock. From then on this client (see Client) has that connection for itself on this DSN, whichever
 * Db it asks, and at its end what it left is gone.
 */
final class Db
{
    private const SECONDS_MAX = 4_000_000;

    private Options $options;

    private function __construct(#[SensitiveParameter] private readonly string $dsn, private readonly Engine $engine)
    {
        $this->options = new Options();
    }

    /** Connects at the first statement. */
    public static function connect(#[SensitiveParameter] string $dsn): self
    {
        return new self($dsn, Engine::getInstance());
    }

    /**
     * The rows as PDO's FETCH_ASSOC gives them. Integers, floats, booleans and nulls have their types; decimals, dates
     * and JSON are strings in the forms of the documentation.
     *
     * @param array<mixed> $params
     * @return list<array<string, mixed>>
     */
    public function query(string $sql, array $params = []): array
    {
        return $this->fetch($sql, $params, Form::Rows);
    }

    /**
     * The first row, or null when there is none.
     *
     * @param array<mixed> $params
     * @return array<string, mixed>|null
     */
    public function row(string $sql, array $params = []): ?array
    {
        return $this->fetch($sql, $params, Form::FirstRow)[0] ?? null;
    }

    /**
     * The first column of the first row; null when there is no row, as when the value is null.
     *
     * @param array<mixed> $params
     */
    public function value(string $sql, array $params = []): mixed
    {
        return $this->fetch($sql, $params, Form::FirstValue)[0] ?? null;
    }

    /**
     * The first column of every row.
     *
     * @param array<mixed> $params
     * @return list<mixed>
     */
    public function column(string $sql, array $params = []): array
    {
        return $this->fetch($sql, $params, Form::FirstColumn);
    }

    /**
     * Runs a statement for what it does: ->affected rows, and the ->lastInsertId where the database tells it.
     *
     * @param array<mixed> $params
     */
    public function execute(string $sql, array $params = []): ResultInfo
    {
        return $this->run($sql, $params, $this->engine->resultInfo(...));
    }

    /**
     * The rows as a JSON array of objects.
     *
     * @param array<mixed> $params
     */
    public function json(string $sql, array $params = []): string
    {
        return $this->fetch($sql, $params, Form::Json);
    }

    /**
     * The rows stay in the engine and become PHP values one slice after the other, or objects, or JSON.
     *
     * @param array<mixed> $params
     */
    public function result(string $sql, array $params = []): Result
    {
        $dsn = $this->dsn;
        $open = fn (): int => $this->engine->dbExecute($dsn, $sql, $params, $this->options);
        return new Result($this->engine, $this->attempt($open));
    }

    /**
     * The rows one after the other, while the database still has the rest: memory stays small however many there are.
     * The statement runs when the first is asked for. Leaving the loop early ends it.
     *
     * @param array<mixed> $params
     * @return Generator<int, array<string, mixed>>
     */
    public function stream(string $sql, array $params = []): Generator
    {
        $stream = $this->attempt(fn (): int => $this->engine->openStream($this->dsn, $sql, $params, $this->options));
        try {
            while (($rows = $this->current()->during($sql, fn () => $this->engine->nextChunk($stream))) !== null) {
                foreach ($rows as $row) {
                    yield $row;
                }
            }
        } finally {
            $this->engine->closeStream($stream);
        }
    }

    /**
     * An answer of the rows, as a JSON array unless another shape is asked for: ->arrays(), ->keyedBy('id'),
     * ->single(), ->envelope(), ->paged(1, 50), ->ndjson(), ->csv(); with ->flags() of json_encode(), and an ->etag().
     *
     * Under the native server they never become PHP values, and PHP doesn't wait for the database. The server has its
     * own connections: a database in memory (`sqlite::memory:`) is another one there.
     *
     * @param array<mixed> $params
     */
    public function respond(string $sql, array $params = []): SqlResponse
    {
        return SqlResponse::of($this, $sql, $params);
    }

    /**
     * The body of an answer of rows; null where a single row is asked for and there is none.
     *
     * @internal
     * @param array<mixed> $params
     */
    public function shaped(string $sql, array $params, RowShape $shape): ?string
    {
        $total = 0;
        if ($shape->name === 'paged') {
            $dialect = Dsn::parse($this->dsn)->dialect;
            $total = $this->query(Paging::count($dialect, $sql), $params)[0]['total'];
            [$sql, $params] = Paging::select($dialect, $sql, $params, $shape);
        }
        $shaped = fn (int $result): ?string => $this->engine->shapedResult($result, $shape, $total);
        return $this->run($sql, $params, $shaped);
    }

    /**
     * Adds a statement's rows to an index, of which none becomes a PHP value under the native engine.
     *
     * @internal Lyger\Vector\Index::addFrom() calls it.
     * @param array<mixed> $params
     * @return int how many rows there were
     */
    public function fill(Store $store, string $sql, array $params): int
    {
        $add = fn (): int => $store->addFrom($this->dsn, $sql, $params, $this->options);
        return $this->attempt(fn (): int => $this->current()->during($sql, $add));
    }

    /**
     * Runs $work in a transaction: committed when it returns, rolled back when it throws. Within another one it is a
     * savepoint. Returns what $work returns.
     *
     *     $db->transaction(function (Db $db) use ($from, $to): void {
     *         $db->execute('UPDATE accounts SET cents = cents - 100 WHERE id = ?', [$from]);
     *         $db->execute('UPDATE accounts SET cents = cents + 100 WHERE id = ?', [$to]);
     *     }, Isolation::Serializable, attempts: 3);
     *
     * @template T
     * @param callable(self): T $work is called again, from its beginning, when another transaction was in the way
     *     (TransactionConflict) and there are attempts left; only the outermost transaction can be run again
     * @return T
     * @throws TransactionFailed when it could not be committed as one
     */
    public function transaction(
        callable $work,
        ?Isolation $isolation = null,
        bool $readOnly = false,
        int $attempts = 1,
    ): mixed {
        if ($attempts < 1) {
            throw InvalidArgument::because("there is at least one attempt, and not $attempts", (string) $attempts);
        }
        $transaction = $this->current();
        for (;; $attempts--) {
            $this->begin($isolation, $readOnly);
            $level = $transaction->level();
            try {
                $outcome = $work($this);
                if ($transaction->level() !== $level) {
                    throw $transaction->level() > $level ? TransactionFailed::leftOpen() : TransactionFailed::ended();
                }
                $transaction->commit();
                return $outcome;
            } catch (Throwable $exception) {
                $this->abandon($transaction, $level);
                if ($level > 1 || $attempts === 1 || !$exception instanceof TransactionConflict) {
                    throw $exception;
                }
            }
        }
    }

    /** Begins a transaction, or within one a savepoint of its own. Each is ended by one commit() or rollback(). */
    public function begin(?Isolation $isolation = null, bool $readOnly = false): void
    {
        $this->current()->begin($isolation, $readOnly);
    }

    /** @throws TransactionFailed where none is open, and where the database has ended or rolled back the transaction */
    public function commit(): void
    {
        $this->current()->commit();
    }

    /** @throws TransactionFailed where none is open, and where a statement has committed the transaction */
    public function rollback(): void
    {
        $this->current()->rollback();
    }

    /** Whether the database has a transaction open for this client, however that was begun. */
    public function inTransaction(): bool
    {
        return $this->current()->isOpen();
    }

    public function savepoint(string $name): void
    {
        $this->current()->savepoint('SAVEPOINT', $name);
    }

    /** What came after the savepoint is undone; the savepoint stays. */
    public function rollbackTo(string $name): void
    {
        $this->current()->savepoint('ROLLBACK TO SAVEPOINT', $name);
    }

    /** The savepoint goes, what came after it stays. */
    public function release(string $name): void
    {
        $this->current()->savepoint('RELEASE SAVEPOINT', $name);
    }

    /**
     * How long this client's statements wait for a lock that somebody else holds, from now on to its end: then
     * LockTimeout. MySQL counts whole seconds, so there it is rounded up.
     */
    public function lockTimeout(float $seconds): void
    {
        foreach ($this->kind()->lockTimeout(self::seconds($seconds)) as $sql) {
            $this->execute($sql);
        }
    }

    /**
     * How the database would run a statement, in its own words: the plan as PostgreSQL and MySQL give it as JSON, the
     * rows of EXPLAIN QUERY PLAN in SQLite.
     *
     * @param array<mixed> $params
     * @param bool $analyze runs it to measure it, and undoes what it did (PostgreSQL, MariaDB)
     * @return array<mixed>
     */
    public function explain(string $sql, array $params = [], bool $analyze = false): array
    {
        $explain = $this->kind()->explain($sql, $analyze);
        if ($explain === null) {
            throw InvalidArgument::because('SQLite has no EXPLAIN that measures');
        }
        if ($this->kind() === Dialect::Sqlite) {
            return $this->query($explain, $params);
        }
        $level = $this->current()->level();
        if ($analyze) {
            $this->begin();
        }
        try {
            $plan = json_decode((string) $this->value($explain, $params), true, 512, JSON_THROW_ON_ERROR);
        } finally {
            if ($analyze) {
                $this->abandon($this->current(), $level + 1);
            }
        }
        return $this->kind() === Dialect::Pgsql ? $plan[0] : $plan;
    }

    /** A Db whose statements take at most so long, and db.statement_timeout_ms. SQLite in pure PHP knows no limit. */
    public function timeout(float $seconds): self
    {
        $ms = (int) ceil(self::seconds($seconds) * 1000);
        return $this->with(timeoutMs: $ms);
    }

    /**
     * A Db that runs a statement again, up to so many times, when the connection breaks under it (ConnectionFailed).
     * Whether it was carried out before is unknown then: for statements that may run twice. Never within a transaction.
     */
    public function retry(int $times = 1): self
    {
        if ($times < 0) {
            throw InvalidArgument::because("a statement can't be run again $times times", (string) $times);
        }
        return $this->with(retries: $times);
    }

    /** A Db that gives decimals as a 'string' of exact digits, or as a 'number': digits in JSON, a float in PHP. */
    public function decimals(string $as): self
    {
        if ($as !== 'string' && $as !== 'number') {
            throw InvalidArgument::because("decimals are 'string' or 'number', and not '$as'", $as);
        }
        return $this->with(decimalsAsNumbers: $as === 'number');
    }

    /**
     * A Db that gives dates with a time as RFC 3339 has them, `2024-01-02T03:04:05Z`, or as the database itself does:
     * 'sql' is `2024-01-02 03:04:05`, with `+00` for PostgreSQL's moments.
     */
    public function times(string $as): self
    {
        if ($as !== 'rfc3339' && $as !== 'sql') {
            throw InvalidArgument::because("times are 'rfc3339' or 'sql', and not '$as'", $as);
        }
        return $this->with(timesAsSql: $as === 'sql');
    }

    /** 'pgsql', 'mysql' or 'sqlite' */
    public function dialect(): string
    {
        return $this->kind()->value;
    }

    public function dsn(): string
    {
        return $this->dsn;
    }

    /** What timeout(), retry(), decimals() and times() have set. */
    public function options(): Options
    {
        return $this->options;
    }

    /** @return array<string, mixed> for var_dump(): no password */
    public function __debugInfo(): array
    {
        try {
            $dsn = (string) Dsn::parse($this->dsn);
        } catch (LygerException) {
            $dsn = '(invalid)'; // so that nobody knows where its password is
        }
        return ['dsn' => $dsn, 'options' => $this->options];
    }

    /**
     * @param array<mixed> $params
     * @return string|list<mixed> as the form says
     */
    private function fetch(string $sql, array $params, Form $form): string|array
    {
        if ($this->options->retries === 0) {
            return $this->engine->fetch($this->dsn, $sql, $params, $form, $this->options);
        }
        return $this->attempt(fn () => $this->engine->fetch($this->dsn, $sql, $params, $form, $this->options));
    }

    /**
     * @template T
     * @param array<mixed> $params
     * @param Closure(int): T $use
     * @return T
     */
    private function run(string $sql, array $params, Closure $use): mixed
    {
        return $this->attempt(fn (): mixed => $this->engine->with($this->dsn, $sql, $params, $use, $this->options));
    }

    /**
     * @template T
     * @param Closure(): T $statement
     * @return T
     */
    private function attempt(Closure $statement): mixed
    {
        for ($left = $this->options->retries;; $left--) {
            try {
                return $statement();
            } catch (ConnectionFailed $lost) {
                if ($left === 0 || $this->current()->level() > 0) {
                    throw $lost;
                }
            }
        }
    }

    /** Rolls back what is open from this level on, when the reason is about to be thrown. */
    private function abandon(Transaction $transaction, int $level): void
    {
        while ($transaction->level() >= $level) {
            try {
                $transaction->rollback();
            } catch (LygerException) {
                // It has ended by itself, as the reason tells, or ends with its connection.
            }
        }
    }

    private function current(): Transaction
    {
        return Client::current()->transaction($this->dsn);
    }

    private function kind(): Dialect
    {
        return Dialect::of($this->dsn);
    }

    private function with(int|bool ...$options): self
    {
        $copy = clone $this;
        $copy->options = $this->options->with(...$options);
        return $copy;
    }

    /** Up to 46 days, which fit into the 32 bits of milliseconds that the engine counts. */
    private static function seconds(float $seconds): float
    {
        return $seconds > 0.0 && $seconds <= self::SECONDS_MAX
            ? $seconds
            : throw InvalidArgument::because('a limit on time is more than 0 seconds and at most ' . self::SECONDS_MAX);
    }
}
