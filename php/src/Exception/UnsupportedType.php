<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A result has a column whose type Lyger does not carry. */
final class UnsupportedType extends LygerException
{
    public static function column(string $column, string $type, string $hint): self
    {
        return new self("column \"$column\" has the type $type, which is not supported: $hint", '0A000');
    }

    public static function json(string $column, string $what): self
    {
        return self::column($column, 'JSON', "it holds $what; store valid JSON or cast the column to TEXT");
    }
}
