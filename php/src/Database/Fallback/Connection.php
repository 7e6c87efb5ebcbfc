<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Generator;
use Lyger\Database\Bytes;
use Lyger\Database\Options;

/** One database through PHP's own drivers. */
interface Connection
{
    /** How many rows of a stream are read at a time. */
    public const CHUNK_ROWS = 500;

    /**
     * Runs one statement; its decimals and times have the forms of the options.
     *
     * @param list<null|bool|int|float|string|Bytes> $params
     */
    public function query(string $sql, array $params, Options $options = new Options()): Table;

    /**
     * Runs one statement and gives its rows in parts, of which it holds one at a time. Only SQLite's connection may be
     * used for others meanwhile.
     *
     * @param list<null|bool|int|float|string|Bytes> $params
     * @return Generator<int, Table>
     */
    public function stream(string $sql, array $params, Options $options = new Options()): Generator;

    /** How long statements may take from now on; null is again what it was before. */
    public function limit(?int $timeoutMs): void;

    /** Asks the server whether it still knows this connection. False also behind a stream that was left amid its rows. */
    public function isAlive(): bool;
}
