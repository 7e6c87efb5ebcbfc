<?php

declare(strict_types=1);

namespace Lyger\Vector;

use Lyger\Database\Fallback\Lexer;
use Lyger\Database\Fallback\Place;
use Lyger\Database\Fallback\Places;

/**
 * Matches as a table of a statement: a common table expression before its own. Ids and scores are parameters, so that
 * the text is the same for as many matches, and databases prepare it once. PostgreSQL takes them as two arrays, the
 * others two of each match.
 *
 * @internal
 */
final class MatchTable
{
    private const NAME = 'matches(id, score, place)';
    /** Of one match; the place is a number in the text. */
    private const ROWS = [
        // MySQL and MariaDB write rows of VALUES differently.
        'mysql' => 'SELECT CAST(%s AS SIGNED), CAST(%s AS DOUBLE), %d',
        'sqlite' => '(%s, %s, %d)',
    ];
    /** All rows: of a long UNION ALL it would run out of stack. */
    private const ARRAYS = 'SELECT * FROM unnest(CAST(%s AS BIGINT[]), CAST(%s AS DOUBLE PRECISION[])) WITH ORDINALITY';
    private const NONE = [
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
        $values = $dialect === 'pgsql' ? self::arrays($scores) : self::pairs($scores);
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

    /**
     * @param array<int, float> $scores
     * @return list<int|float|null> two a match
     */
    private static function pairs(array $scores): array
    {
        $pairs = [];
        foreach ($scores as $id => $score) {
            array_push($pairs, $id, is_finite($score) ? $score : null);
        }
        return $pairs;
    }

    /**
     * @param array<int, float> $scores
     * @return array{string, string} ids and scores, as PostgreSQL writes arrays
     */
    private static function arrays(array $scores): array
    {
        // 17 digits are those that no float loses, with a point in every locale.
        $text = static fn (float $score): string => is_finite($score) ? sprintf('%.17H', $score) : 'NULL';
        return [
            '{' . implode(',', array_keys($scores)) . '}',
            '{' . implode(',', array_map($text, $scores)) . '}',
        ];
    }

    /** @param list<string> $marks of PostgreSQL's arrays; of others two a match */
    private static function select(string $dialect, array $marks): string
    {
        if ($dialect === 'pgsql') {
            return sprintf(self::ARRAYS, ...$marks);
        }
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
