<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** How the values of a column of PostgreSQL are read from what PDO gives. */
interface PostgresReader
{
    /** What the strings that value() gives are. */
    public function kind(): Kind;

    /** @param mixed $value of PDO, not null */
    public function value(mixed $value): mixed;
}
