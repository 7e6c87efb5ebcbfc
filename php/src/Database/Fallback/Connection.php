<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Bytes;

/** One database through PHP's own drivers. */
interface Connection
{
    /**
     * Runs one statement; its decimals are strings of exact digits, or numbers of the same digits in JSON.
     *
     * @param list<null|bool|int|float|string|Bytes> $params
     */
    public function query(string $sql, array $params, bool $decimalsAsNumbers = false): Table;

    /** Asks the server whether it still knows this connection. */
    public function isAlive(): bool;
}
