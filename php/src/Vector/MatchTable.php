<?php

declare(strict_types=1);

namespace Lyger\Vector;

use Lyger\Database\Fallback\Lexer;
use Lyger\Database\Fallback\Place;
use Lyger\Database\Fallback\Places;
use Lyger\Exception\InvalidParams;

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
     * @throws InvalidParams where the statement has another number of them than $params
     */
    public static function before(string $dialect, array $scores, string $sql, array $params): array
    {
        $lexing = $dialect === 'pgsql' ? 'postgres' : $dialect;
        $values = $dialect === 'pgsql' ? self::arrays($scores) : self::pairs($scores);
        if (is_string(array_key_first($params))) {
            $prefix = self::prefix($sql, $params);
            $names = array_map(static fn (int $at): string => $prefix . $at, array_keys($values));
            $marks = array_map(static fn (string $name): string => ":$name", $names);
            $params += array_combine($names, $values);
        } elseif (self::isNumbered($lexing, $sql, count($params))) {
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

    /**
     * What no name of the statement or of its parameters begins with.
     *
     * @param array<mixed> $params
     */
    private static function prefix(string $sql, array $params): string
    {
        $taken = $sql . ' ' . implode(' ', array_keys($params));
        $prefix = 'lyger_match_';
        while (str_contains($taken, $prefix)) {
            $prefix .= '_';
        }
        return $prefix;
    }

    /**
     * Whether a statement counts its own parameters: `$1` in PostgreSQL, `?1` in SQLite.
     *
     * @throws InvalidParams where it wants more than $given, which those of the matches would stand in for, or fewer
     */
    private static function isNumbered(string $lexing, string $sql, int $given): bool
    {
        [$count, $highest, $isPlain] = [0, 0, true];
        $places = new Places($lexing, $sql);
        while (($place = $places->next()) !== null) {
            match ($place->kind) {
                Place::QUESTION => $count++,
                Place::NUMBER => $highest = max($highest, (int) substr($sql, $place->start + 1)),
                Place::OPERATOR => null,
                default => $isPlain = false, // the engine knows what it may be
            };
        }
        $isOneKind = $isPlain && ($count === 0 || $highest === 0);
        if ($highest > $given || ($isOneKind && max($count, $highest) !== $given)) {
            throw InvalidParams::count(max($count, $highest), $given);
        }
        return $highest > 0;
    }
}
