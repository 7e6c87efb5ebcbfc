<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** A placeholder of a statement. */
final class Place
{
    public const QUESTION = '?';
    /** `??` of PostgreSQL: an operator's question mark. */
    public const OPERATOR = '??';
    public const NAME = ':name';
    /** `$1` of PostgreSQL, `?1` of SQLite. */
    public const NUMBER = '$1';
    /** `@name` and `$name` of SQLite. */
    public const NATIVE = '@name';

    /**
     * @param string $kind one of the constants
     * @param int|null $opening where the `[NOT] IN (` begins that stands directly before it
     * @param bool $negated whether that has the NOT
     * @param bool $inBrackets whether it could as well be a column in a slice of PostgreSQL: `a[1:n]`
     */
    public function __construct(
        public readonly string $kind,
        public readonly int $start,
        public readonly int $end,
        public readonly ?int $opening,
        public readonly bool $negated,
        public readonly bool $inBrackets,
    ) {
    }
}
