<?php

declare(strict_types=1);

namespace Lyger\Core;

use Closure;
use Lyger\Cache\Driver;
use Lyger\Config;
use Lyger\Database\Form;
use Lyger\Database\Options;
use Lyger\Database\RowShape;
use Lyger\Database\TransactionState;
use Lyger\Exception\LygerException;
use Lyger\Http\Request;
use Lyger\Vector\Store;
use SensitiveParameter;

/**
 * What the engine does, once by the native library and once in pure PHP. Both give the same results: the test suite
 * runs against each and compares.
 */
interface Backend
{
    /** native or php */
    public function name(): string;

    public function helloWorld(): string;

    /** The sum over i in 0..iterations of sqrt(i) * sin(i). */
    public function heavyComputation(int $iterations): float;

    /** @return array<string, mixed> */
    public function systemInfo(): array;

    /** Sets the limits of databases and cache (db.*, cache.*), before their first use. */
    public function configure(Config $config): void;

    /**
     * Runs a statement and keeps its result.
     *
     * @param array<mixed> $params
     * @return int the result's id
     * @throws LygerException
     */
    public function execute(
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        ?Options $options = null,
    ): int;

    /**
     * Runs a statement and gives its rows in one form. Nothing is kept.
     *
     * @param array<mixed> $params
     * @return string|list<mixed> as the form says
     * @throws LygerException
     */
    public function fetch(
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        ?Options $options,
        Form $form,
    ): string|array;

    public function describe(int $result): ResultInfo;

    /** The rows as a JSON array of objects. */
    public function json(int $result): string;

    /**
     * The rows in a shape; null where a single row is asked for and there is none.
     *
     * @param int $total how many rows there are on all pages
     */
    public function shaped(int $result, RowShape $shape, int $total): ?string;

    /**
     * @param int|null $count how many at most, null for all from $from on
     * @return list<array<string, mixed>> the rows as PDO's FETCH_ASSOC gives them, with their types
     */
    public function rows(int $result, int $from = 0, ?int $count = null): array;

    /** @return list<mixed> the values of the first column; none without a column */
    public function column(int $result): array;

    public function free(int $result): void;

    /** Where the client's transaction stands, if that can be told without a statement. */
    public function transactionState(#[SensitiveParameter] string $dsn): ?TransactionState;

    /**
     * Runs a statement whose rows are asked for chunk by chunk.
     *
     * @param array<mixed> $params
     * @return int the stream's id
     * @throws LygerException
     */
    public function openStream(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int;

    /** @return list<array<string, mixed>>|null the next rows, null behind the last */
    public function nextChunk(int $stream): ?array;

    /** Also amid its rows: then the statement ends. */
    public function closeStream(int $stream): void;

    /**
     * Whether the current client has left something on a connection that this process has: a statement that is to see
     * it must run here.
     */
    public function keepsConnection(#[SensitiveParameter] string $dsn): bool;

    /** The current client has ended: what its statements have left on connections goes. */
    public function endClient(): void;

    /**
     * Waits until statements that are under way have ended, or for so long.
     *
     * @return list<int> the operations that have, each told once
     */
    public function finishedOperations(int $waitMs): array;

    /** Stops a statement that is under way. */
    public function cancelOperation(int $operation): void;

    /** An empty store of vectors that have $dimension floats each. */
    public function vectors(int $dimension): Store;

    /** A store of the vectors in a file. */
    public function loadVectors(string $path): Store;

    /** The cache that a DSN names; with '' the process's own, which the workers of a fleet share. */
    public function cache(#[SensitiveParameter] string $dsn): Driver;

    /**
     * Serves until the server is stopped or a signal has drained it.
     *
     * @param Closure(Request): mixed $handler
     * @param Closure(int): void|null $listening called with the port once connections are accepted
     */
    public function serve(Closure $handler, Config $config, ?Closure $listening): void;

    public function stopServer(): void;

    /**
     * Serves the cache to Redis clients.
     *
     * @return int the port
     */
    public function startResp(Config $config): int;

    public function stopResp(): void;

    /** Null where Redis clients aren't served. */
    public function respAddress(): ?string;

    /**
     * Closes connections, drops results and empties the cache, unless a fleet's workers or Redis clients share it. The
     * next call starts anew.
     */
    public function release(): void;
}
