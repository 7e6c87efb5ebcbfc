<?php

declare(strict_types=1);

namespace Lyger\Database;

/** How a statement is run: what Db's timeout(), retry(), decimals() and times() have set. */
final class Options
{
    /** Bits of lyger_db_run() (rust/ffi/lyger.h). */
    private const DECIMALS_AS_NUMBERS = 2;
    private const TIMES_AS_SQL = 4;

    public function __construct(
        /** How long it may take, if that is less than db.statement_timeout_ms. */
        public readonly ?int $timeoutMs = null,
        /** How often it is run again when the connection broke under it. */
        public readonly int $retries = 0,
        public readonly bool $decimalsAsNumbers = false,
        public readonly bool $timesAsSql = false,
    ) {
    }

    /** For lyger_db_run(). Its repetition isn't asked for: Db repeats by itself, as often as it was told to. */
    public function flags(): int
    {
        return ($this->decimalsAsNumbers ? self::DECIMALS_AS_NUMBERS : 0)
            | ($this->timesAsSql ? self::TIMES_AS_SQL : 0);
    }

    /** A copy with other values for these. */
    public function with(int|bool ...$values): self
    {
        return new self(...($values + get_object_vars($this)));
    }
}
