<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** A result's column. SQLite may change its mind about the kind from row to row: see Cell. */
final class Column
{
    public function __construct(public readonly string $name, public readonly Kind $kind)
    {
    }
}
