<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\InvalidParams;

/** As much of SQL's lexical structure as the fallback needs: rust/db/tokens.rs, in regular expressions. */
final class Tokens
{
    // First what holds no placeholder and is left alone; then what PDO would misread; then the placeholders. What never
    // ends reaches to the end.
    private const POSTGRES = '~
        (?: \' (?:[^\'\\\\]++|\'\')*+ (?:\'|\z)
          | (?<![\w$\x80-\xff]) [eE]\' (?:[^\'\\\\]++|\\\\.|\'\')*+ (?:\'|\z)
          | (?<![\w$\x80-\xff]) [uU]&\' (?:[^\']++|\'\')*+ (?:\'|\z)
          | " (?:[^"]++|"")*+ (?:"|\z)
          | --[^\n]*+
          | [a-zA-Z_\x80-\xff][\w$\x80-\xff]*+ ) (*SKIP)(*F)
      | \' (?<quoted>(?:[^\']++|\'\')*+) \'
      | \$(?<tag>(?:[a-zA-Z_\x80-\xff][\w\x80-\xff]*)?)\$ (?<dollars>.*?) (?:\$\k<tag>\$|\z)
      | (?<comment>/\* (?:[^*/]++|\*(?!/)|/(?!\*)|(?&comment))*+ (?:\*/|\z))
      | \?\? | \? | \$\d+ ~xs';

    private const SQLITE = '~
        (?: \' (?:[^\']++|\'\')*+ (?:\'|\z) | " (?:[^"]++|"")*+ (?:"|\z)
          | ` (?:[^`]++|``)*+ (?:`|\z) | \[ [^\]]*+ (?:\]|\z)
          | --[^\n]*+ | /\* .*? (?:\*/|\z)
          | [a-zA-Z_\x80-\xff][\w$\x80-\xff]*+ ) (*SKIP)(*F)
      | \?\d* | [:@\#$][\w$\x80-\xff]+ | ; ~xs';

    // White space, comments and semicolons to the end.
    private const NOTHING = '~^(?:[\s;]++|--[^\n]*+|/\*.*?(?:\*/|\z))*+\z~s';

    /** Which word a statement begins with, in upper case, past white space, comments and parentheses. */
    public static function firstKeyword(string $sql): string
    {
        $found = preg_match('~^(?:[\s(;]++|\#[^\n]*+|--[^\n]*+|/\*.*?\*/)*+([a-zA-Z_]+)~s', $sql, $match);
        return $found === 1 ? strtoupper($match[1]) : '';
    }

    /**
     * PostgreSQL's placeholders as PDO's named ones: ? and $2 become :p1 and :p2.
     *
     * @return array{string, int} the statement and the highest placeholder
     */
    public static function forPostgres(string $sql): array
    {
        $count = 0;
        $highest = 0;
        $name = static function (array $token) use (&$count, &$highest): string {
            [$text] = $token;
            if ($text === '?') {
                return ':p' . ++$count;
            }
            if ($text[0] === '$' && $token['dollars'] === null) {
                $highest = max($highest, (int) substr($text, 1));
                return ':p' . substr($text, 1);
            }
            // PDO before PHP 8.4 takes a backslash for an escape, knows no dollar quotes, and ends a comment at the
            // first end: it is given the same in forms that it reads. `??` is its own escape for the operator.
            return match (true) {
                $token['quoted'] !== null => "E'" . str_replace('\\', '\\\\', $token['quoted']) . "'",
                $token['dollars'] !== null
                    => "E'" . strtr($token['dollars'], ['\\' => '\\\\', "'" => "''"]) . "'",
                $token['comment'] !== null => strpos($text, '/*', 2) === false ? $text : ' ',
                default => $text,
            };
        };
        $flags = PREG_UNMATCHED_AS_NULL;
        $rewritten = preg_replace_callback(self::POSTGRES, $name, $sql, -1, $replaced, $flags) ?? $sql;
        if ($count > 0 && $highest > 0) {
            throw InvalidParams::because(
                'the statement mixes ? with $1; use one kind (and write ?? for an operator that has a question mark)'
            );
        }
        return [$rewritten, max($count, $highest)];
    }

    /**
     * Counts SQLite's placeholders as SQLite does, and wraps those at $wrapped positions into a function call.
     *
     * @param array<int, string> $wrapped function name by position, counted from 1
     * @return array{string, int} the statement and the highest placeholder
     */
    public static function forSqlite(string $sql, array $wrapped): array
    {
        $highest = 0;
        $names = [];
        $rewritten = preg_replace_callback(
            self::SQLITE,
            static function (array $token) use (&$highest, &$names, $wrapped): string {
                $text = $token[0];
                if ($text === ';') {
                    return $text;
                }
                $position = match (true) {
                    $text === '?' => $highest + 1,
                    $text[0] === '?' => (int) substr($text, 1),
                    default => $names[$text] ??= $highest + 1,
                };
                $highest = max($highest, $position);
                return isset($wrapped[$position]) ? "{$wrapped[$position]}($text)" : $text;
            },
            $sql,
        ) ?? $sql;
        return [$rewritten, $highest];
    }

    /** Whether SQLite would stop at a `;` with more SQL behind it, which PDO ignores in silence. */
    public static function hasSecondStatement(string $sql): bool
    {
        // The body of a trigger has semicolons of its own.
        if (preg_match('~^\s*CREATE\s+(TEMP\s+|TEMPORARY\s+)?TRIGGER\b~i', $sql) === 1) {
            return false;
        }
        preg_match_all(self::SQLITE, $sql, $tokens, PREG_OFFSET_CAPTURE);
        foreach ($tokens[0] as [$token, $offset]) {
            if ($token === ';' && preg_match(self::NOTHING, substr($sql, $offset)) !== 1) {
                return true;
            }
        }
        return false;
    }
}
