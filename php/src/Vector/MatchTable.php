<?php

declare(strict_types=1);

namespace Lyger\Vector;

use Lyger\Database\Fallback\Lexer;
use Lyger\Database\Fallback\Place;
use Lyger\Database\Fallback\Places;

/**
 * Matches as a table of a statement: a common table expression before its own. Ids and scores are parameters, so that
 * the text is the same for as many matches, and databases prepare it once.
 *
 * @internal
 */
final class MatchTable
{
    private const NAME = 'matches(id, score, place)';
    /** Of one match; the place is a number in the text. */
    private const ROWS = [
        // Of VALUES it would take parameters for text.
        'pgsql' => 'SELECT CAST(%s AS BIGINT), CAST(%s AS DOUBLE PRECISION), %d',
        // MySQL and MariaDB write rows of VALUES differently.
        'mysql' => 'SELECT CAST(%s AS SIGNED), CAST(%s AS DOUBLE), %d',
        'sqlite' => '(%s, %s, %d)',
    ];
    private const NONE = [
        'pgsql' => 'SELECT CAST(NULL AS BIGINT), CAST(NULL AS DOUBLE PRECISION), 0 WHERE FALSE',
        'mysql' => 'SELECT CAST(NULL AS SIGNED), CAST(NULL AS DOUBLE), 0 FROM DUAL WHERE FALSE',
        'sqlite' => 'SELECT NULL, NULL, NULL WHERE FALSE',
    ];

    /**
     * @param string $dialect as Db::dialect() names it
     * @param array<int, float> $scores by id
     * @param array<mixed> $params
     * @return array{string, array<mixed>} the statement with the table before it, and all parameters
     */
    public static function before(string $dialect, array $scores, string $sql, array $params): array
    {
        $lexing = $dialect === 'pgsql' ? 'postgres' : $dialect;
        $values = [];
        foreach ($scores as $id => $score) {
            array_push($values, $id, is_finite($score) ? $score : null);
        }
        if (is_string(array_key_first($params))) {
            $names = array_map(static fn (int $at): string => "lyger_match_$at", array_keys($values));
            $marks = array_map(static fn (string $name): string => ":$name", $names);
            $params += array_combine($names, $values);
        } elseif (self::hasNumbers($lexing, $sql)) {
            $sign = $dialect === 'pgsql' ? '$' : '?';
            $count = count($params);
            $marks = array_map(static fn (int $at): string => $sign . $count + $at + 1, array_keys($values));
            $params = [...self::ordered($params), ...$values];
        } else {
            $marks = array_fill(0, count($values), '?');
            $params = [...$values, ...self::ordered($params)];
        }
        return [self::with($lexing, self::NAME . ' AS (' . self::select($dialect, $marks) . ')', $sql), $params];
    }

    /** @param list<string> $marks two a match */
    private static function select(string $dialect, array $marks): string
    {
        $rows = [];
        foreach (array_chunk($marks, 2) as $at => $pair) {
            $rows[] = sprintf(self::ROWS[$dialect], $pair[0], $pair[1], $at + 1);
        }
        return match (true) {
            $rows === [] => self::NONE[$dialect],
            $dialect === 'sqlite' => 'VALUES ' . implode(', ', $rows),
            default => implode(' UNION ALL ', $rows),
        };
    }

    /** Before the statement's first word, or among the tables of its own WITH. */
    private static function with(string $lexing, string $table, string $sql): string
    {
        $lexer = new Lexer($lexing, $sql);
        $first = strtolower((string) $lexer->next());
        if ($first !== 'with') {
            return substr_replace($sql, "WITH $table ", $lexer->start, 0);
        }
        $at = $lexer->end;
        if (strtolower((string) $lexer->next()) === 'recursive') {
            $at = $lexer->end;
        }
        return substr_replace($sql, " $table,", $at, 0);
    }

    /** PDO gives positions by keys that may have gaps, and in any order. */
    private static function ordered(array $params): array
    {
        ksort($params);
        return array_values($params);
    }

    /** Whether a statement counts its own parameters: `$1` in PostgreSQL, `?1` in SQLite. */
    private static function hasNumbers(string $lexing, string $sql): bool
    {
        $places = new Places($lexing, $sql);
        while ($lexing !== 'mysql' && ($place = $places->next()) !== null) {
            if ($place->kind === Place::NUMBER) {
                return true;
            }
        }
        return false;
    }
}
