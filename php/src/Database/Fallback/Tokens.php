<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\InvalidArgument;

/** As much of SQL's lexical structure as the fallback needs: rust/db/tokens.rs, in regular expressions. */
final class Tokens
{
    // First what holds no placeholder and is left alone; then what PDO would misread; then the placeholders. What never
    // ends reaches to the end.
    private const POSTGRES = '~
        (?: (?<![\w$\x80-\xff]) [eE] (\' (?:[^\'\\\\]++|\\\\.|\'\')*+ (?:\'|\z)) (?:[ \t\f]*+[\r\n]\s*+(?-1))*+
          | \' (?:[^\'\\\\]++|\'\')*+ (?:\'|\z)
          | (?<![\w$\x80-\xff]) [uU]&\' (?:[^\']++|\'\')*+ (?:\'|\z)
          | " (?:[^"]++|"")*+ (?:"|\z)
          | --[^\r\n]*+ | ::++
          | [a-zA-Z_\x80-\xff][\w$\x80-\xff]*+ ) (*SKIP)(*F)
      | \' (?<quoted>(?:[^\']++|\'\')*+) \'
      | \$(?<tag>(?:[a-zA-Z_\x80-\xff][\w\x80-\xff]*)?)\$ (?<dollars>.*?) (?:\$\k<tag>\$|\z)
      | (?<comment>/\* (?:[^*/]++|\*(?!/)|/(?!\*)|(?&comment))*+ (?:\*/|\z))
      | \? | \$\d+ | :(?=\w) ~xs';

    private const SQLITE = '~
        (?: \' (?:[^\']++|\'\')*+ (?:\'|\z) | " (?:[^"]++|"")*+ (?:"|\z)
          | ` (?:[^`]++|``)*+ (?:`|\z) | \[ [^\]]*+ (?:\]|\z)
          | --[^\n]*+ | /\* (?:[^*]++|\*(?!/))*+ (?:\*/|\z)
          | [a-zA-Z_\x80-\xff][\w$\x80-\xff]*+ ) (*SKIP)(*F)
      | \?\d* | [:@$][\w$\x80-\xff]+ | ; ~xs';

    // White space, comments and semicolons to the end.
    private const NOTHING = '~^(?:[\s;]++|--[^\n]*+|' . self::FLAT_COMMENT . ')*+\z~s';

    // PostgreSQL's, which nest.
    private const COMMENT = '(?<comment>/\*(?:[^*/]++|\*(?!/)|/(?!\*)|(?&comment))*+(?:\*/|\z))';
    private const FLAT_COMMENT = '/\*(?:[^*]++|\*(?!/))*+(?:\*/|\z)';

    /** Whether there is nothing but white space, semicolons and comments; those with a `!` MySQL would run. */
    public static function isBlank(string $sql, string $dialect): bool
    {
        $comment = match ($dialect) {
            'postgres' => self::COMMENT,
            'mysql' => '\#[^\n]*+|(?!/\*M?!)' . self::FLAT_COMMENT,
            default => self::FLAT_COMMENT,
        };
        return preg_match("~^(?:[\s;]++|--[^\n]*+|$comment)*+\z~", $sql) === 1;
    }

    /** Which word a statement begins with, in upper case, past white space, comments and parentheses. */
    public static function firstKeyword(string $sql): string
    {
        $pattern = '~^(?:[\s(;]++|\#[^\n]*+|--[^\n]*+|' . self::COMMENT . ')*+(?<word>[a-zA-Z_]+)~';
        return preg_match($pattern, $sql, $match) === 1 ? strtoupper($match['word']) : '';
    }

    /**
     * A statement of PostgreSQL as PDO reads it: $2 becomes :p2, and what PDO would take for placeholders is escaped.
     *
     * @param bool $numbers whether $2 is a placeholder of PDO's
     * @return array{string, int} the statement and the highest placeholder
     */
    public static function forPdoPostgres(string $sql, bool $numbers = true): array
    {
        $highest = 0;
        $name = static function (array $token) use (&$highest, $numbers): string {
            [$text] = $token;
            if ($text[0] === '$' && $token['dollars'] === null) {
                $highest = max($highest, (int) substr($text, 1));
                return $numbers ? ':p' . substr($text, 1) : $text;
            }
            // PDO before PHP 8.4 takes a backslash for an escape, knows no dollar quotes, and ends a comment at the
            // first end: it is given the same in forms that it reads.
            return match (true) {
                $text === '?' => '??',
                // A slice, a[1:n].
                $text === ':' => ': ',
                $token['quoted'] !== null => "E'" . str_replace('\\', '\\\\', $token['quoted']) . "'",
                $token['dollars'] !== null
                    => "E'" . strtr($token['dollars'], ['\\' => '\\\\', "'" => "''"]) . "'",
                $token['comment'] !== null => strpos($text, '/*', 2) === false ? $text : ' ',
                default => $text,
            };
        };
        $flags = PREG_UNMATCHED_AS_NULL;
        $rewritten = preg_replace_callback(self::POSTGRES, $name, $sql, -1, $replaced, $flags) ?? throw self::tooLong();
        return [$rewritten, $highest];
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
        ) ?? throw self::tooLong();
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

    /** PHP's regular expressions give up on some texts of megabytes. */
    private static function tooLong(): InvalidArgument
    {
        return InvalidArgument::because('sql cannot be read by pure PHP: ' . preg_last_error_msg());
    }
}
