<?php

declare(strict_types=1);

namespace Lyger\Core;

/** What is known about a result without looking at its rows. */
final class ResultInfo
{
    public function __construct(
        public readonly int $rows,
        public readonly int $columns,
        public readonly int $affected,
        public readonly ?int $lastInsertId,
    ) {
    }
}
