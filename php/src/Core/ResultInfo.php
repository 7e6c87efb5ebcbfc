<?php

declare(strict_types=1);

namespace Lyger\Core;

/** What is known about a result without looking at its rows. */
final class ResultInfo
{
    /** @param int|string|null $lastInsertId digits, where it is above PHP_INT_MAX (MySQL) */
    public function __construct(
        public readonly int $rows,
        public readonly int $columns,
        public readonly int $affected,
        public readonly int|string|null $lastInsertId,
    ) {
    }
}
