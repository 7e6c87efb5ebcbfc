<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Database\Fallback\Lexer;
use Lyger\Database\Fallback\Place;
use Lyger\Database\Fallback\Places;

/** A page of a statement's rows, and how many there are on all pages: rust/db/page.rs, where no server does it. */
final class Paging
{
    /**
     * The statement with LIMIT and OFFSET behind it, in its own kind of placeholders, and their values behind the
     * others.
     *
     * @param array<mixed> $params
     * @return array{string, array<mixed>}
     */
    public static function select(string $dialect, string $sql, array $params, RowShape $page): array
    {
        // On a line of its own, past whatever comment there may be.
        $sql = self::trimmed($dialect, $sql);
        $values = [$page->perPage, ($page->page - 1) * $page->perPage];
        if (is_string(array_key_first($params))) {
            $named = array_combine(['lyger_limit', 'lyger_offset'], $values);
            return ["$sql\nLIMIT :lyger_limit OFFSET :lyger_offset", $params + $named];
        }
        $marks = ['?', '?'];
        if (self::hasNumbers($dialect, $sql)) {
            $count = count($params);
            $marks = ['$' . $count + 1, '$' . $count + 2];
        }
        return ["$sql\nLIMIT $marks[0] OFFSET $marks[1]", [...array_values($params), ...$values]];
    }

    /** A statement that counts the rows of another; it takes the same parameters. */
    public static function count(string $dialect, string $sql): string
    {
        return "SELECT COUNT(*) AS total FROM (\n" . self::trimmed($dialect, $sql) . "\n) AS counted";
    }

    /** A statement without the semicolons, comments and white space behind it. */
    public static function trimmed(string $dialect, string $sql): string
    {
        $lexer = new Lexer($dialect, $sql);
        $end = 0;
        while (($token = $lexer->next()) !== null) {
            $end = $token === ';' ? $end : $lexer->end;
        }
        return substr($sql, 0, $end);
    }

    /** Whether a statement has PostgreSQL's own placeholders, which can't stand beside others. */
    private static function hasNumbers(string $dialect, string $sql): bool
    {
        $places = new Places($dialect, $sql);
        while ($dialect === 'postgres' && ($place = $places->next()) !== null) {
            if ($place->kind === Place::NUMBER) {
                return true;
            }
        }
        return false;
    }
}
