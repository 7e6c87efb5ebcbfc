<?php

declare(strict_types=1);

namespace Lyger\Database;

/** How a statement is run: what Db's timeout(), retry() and decimals() have set. */
final class Options
{
    /** Bits of lyger_db_run() (rust/ffi/lyger.h). */
    private const RETRY = 1;
    private const DECIMALS_AS_NUMBERS = 2;

    public function __construct(
        /** How long it may take; null is db.statement_timeout_ms. */
        public readonly ?int $timeoutMs = null,
        /** How often it is run again when the connection broke under it. */
        public readonly int $retries = 0,
        public readonly bool $decimalsAsNumbers = false,
    ) {
    }

    /** For lyger_db_run(). The repetitions of a call that PHP waits for are PHP's own: Db counts them. */
    public function flags(bool $withRetry = false): int
    {
        return ($withRetry && $this->retries > 0 ? self::RETRY : 0)
            | ($this->decimalsAsNumbers ? self::DECIMALS_AS_NUMBERS : 0);
    }
}
