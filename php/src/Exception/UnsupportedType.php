<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A result has a column whose type Lyger does not carry. */
final class UnsupportedType extends LygerException
{
    public static function column(string $column, string $type): self
    {
        return new self("column \"$column\" has the type $type, which has no form here: cast it in the statement");
    }

    public static function invalidJson(string $column, int $row): self
    {
        return new self("column \"$column\" is declared JSON, but row $row holds no valid JSON");
    }
}
