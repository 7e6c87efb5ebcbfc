<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\QueryFailed;

/**
 * Statements that aren't run, because of what they would leave on their connection: rust/db/refuse.rs, in regular
 * expressions. Both are held to tests/support/statements.tsv.
 */
final class Refusal
{
    private const SETTING_POSTGRES =
        'put settings into the DSN (?options=-c%20name=value) or give them to the role (ALTER ROLE ... SET)';
    private const SETTING_MYSQL = 'set it for the server (SET GLOBAL) or for one statement (MariaDB: SET STATEMENT ... '
        . 'FOR, MySQL: /*+ SET_VAR() */)';
    private const LOCK = 'lock a row within one statement, or keep the lock in a table';
    private const PREPARE = 'the engine prepares statements by itself: bind parameters';
    private const TEMPORARY = 'use a table that stays, or WITH';

    /** What the words are not: comments and the openers of comments that MySQL executes become a blank, quotes ''. */
    private const NOISE = [
        'postgres' => '~(?<blank>--[^\r\n]*+|(?<nested>/\*(?:[^*/]++|\*(?!/)|/(?!\*)|(?&nested))*+(?:\*/|\z)))
            | (?<![\w\x80-\xff$])[eE]\'(?:[^\'\\\\]++|\\\\.|\'\')*+(?:\'|\z) | \'[^\']*+(?:\'|\z) | "[^"]*+(?:"|\z)
            | (?<![\w\x80-\xff$])(?<tag>\$(?:[a-zA-Z_\x80-\xff][\w\x80-\xff]*+)?\$).*?(?:\k<tag>|\z)~xs',
        'mysql' => '~(?<blank>\#[^\n]*+|--(?:[\x00-\x20\x7f]|\z)[^\n]*+|/\*M?!\d*+|\*/|/\*.*?(?:\*/|\z))
            | \'(?:[^\'\\\\]++|\\\\.)*+(?:\'|\z) | "(?:[^"\\\\]++|\\\\.)*+(?:"|\z) | `[^`]*+(?:`|\z)~xs',
        'sqlite' => '~(?<blank>\A\xef\xbb\xbf|--[^\n]*+|/\*.*?(?:\*/|\z))
            | \'[^\']*+(?:\'|\z) | "[^"]*+(?:"|\z) | `[^`]*+(?:`|\z) | \[[^\]]*+(?:\]|\z)~xs',
    ];

    /** PRAGMAs that take an argument and leave the connection as it is: they read, or change the file. */
    private const PRAGMAS = 'TABLE_INFO|TABLE_XINFO|TABLE_LIST|INDEX_LIST|INDEX_INFO|INDEX_XINFO|FOREIGN_KEY_LIST'
        . '|FOREIGN_KEY_CHECK|INTEGRITY_CHECK|QUICK_CHECK|OPTIMIZE|WAL_CHECKPOINT|INCREMENTAL_VACUUM|USER_VERSION'
        . '|APPLICATION_ID|AUTO_VACUUM|JOURNAL_MODE\s*[=(]\s*(?:WAL|DELETE)';

    private const TRANSACTION = ['~^(?:BEGIN|SAVEPOINT|XA|START\s+TRANSACTION)\b~i' => null];

    /** Pattern to what stays and what to write instead; null is a transaction. %s is the statement's first word. */
    private const RULES = [
        'postgres' => [
            '~^SET\s+(?:LOCAL|CONSTRAINTS|TRANSACTION)\b~i' => null,
            '~^SET\b~i' => ['SET', self::SETTING_POSTGRES],
            '~^RESET\b~i' => ['RESET', self::SETTING_POSTGRES],
            '~^DISCARD\b~i' => ['DISCARD', 'there is nothing to discard, because nothing is kept'],
            '~^LISTEN\b~i' => ['LISTEN', 'nobody would hear the notifications here'],
            '~^LOAD\b~i' => ['LOAD', 'let the server load it (session_preload_libraries)'],
            '~^DECLARE\b.*\bHOLD\b~is'
                => ['A cursor WITH HOLD', 'read the rows at once, or in pages with WHERE and LIMIT'],
            '~^(?:SELECT|WITH)\b.*(?<!INSERT|MERGE)\s+INTO\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\s+(?!FROM\b)\w~is'
                => ['A temporary table', self::TEMPORARY],
            '~^(?:PREPARE|DEALLOCATE)\b~i' => ['%s', self::PREPARE],
            '~^(?:LOCK|UNLOCK)\b~i' => ['%s', self::LOCK],
            '~^CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\b~i'
                => ['A temporary table', self::TEMPORARY],
            '~^CREATE(?:\s+\w+)*\s+PG_TEMP\s*\.~i' => ['A temporary table', self::TEMPORARY],
            '~\bPG_(?:TRY_)?ADVISORY_LOCK(?:_SHARED)?\s*\(~i' => ['An advisory lock of the session', self::LOCK],
            // Its third argument makes the setting end with the statement's own transaction.
            '~\bSET_CONFIG\s*(?!\((?:[^()]|(?<p>\((?:[^()]++|(?&p))*+\)))*\bTRUE\s*\))\(~i'
                => ['set_config()', self::SETTING_POSTGRES],
        ],
        'mysql' => [
            '~^(?:COMMIT|ROLLBACK)(?:\s+WORK)?\s+AND\s+CHAIN\b~i' => null,
            '~^(?:PREPARE|DEALLOCATE)\b~i' => ['%s', self::PREPARE],
            '~^DROP\s+PREPARE\b~i' => ['DROP PREPARE', self::PREPARE],
            '~^USE\b~i' => ['USE', 'name the database in the DSN, or before the table (database.table)'],
            '~^(?:LOCK|UNLOCK)\b~i' => ['%s', self::LOCK],
            '~^FLUSH\b.*\b(?:READ|EXPORT)\b~is' => ['FLUSH with a lock', self::LOCK],
            '~^BACKUP\b~i' => ['BACKUP', "use the server's own client"],
            '~^HANDLER\b~i' => ['HANDLER', 'use SELECT'],
            '~^CREATE\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b~i' => ['A temporary table', self::TEMPORARY],
            '~\bGET_LOCK\s*\(~i' => ['GET_LOCK()', self::LOCK],
        ],
        'sqlite' => [
            '~^CREATE\s+TEMP(?:ORARY)?\b~i' => ['A temporary table', self::TEMPORARY],
            '~^CREATE(?:\s+\w+)*\s+TEMP\s*\.~i' => ['A temporary table', self::TEMPORARY],
            '~^(?:ATTACH|DETACH)\b~i' => ['%s', 'open the other file with a DSN of its own'],
            '~^PRAGMA\s+(?:\w+\s*\.\s*)?(?!(?:' . self::PRAGMAS . ')\b)\w+\s*[=(]~i' => [
                'PRAGMA with a value',
                'only what the file keeps can be set (user_version, journal_mode = WAL, ...)',
            ],
        ],
    ];

    /** Refuses what would reach beyond its own statement. */
    public static function check(string $dialect, string $sql): void
    {
        $blank = static fn (array $noise): string => ($noise['blank'] ?? '') !== '' ? ' ' : "''";
        $text = ltrim(preg_replace_callback(self::NOISE[$dialect], $blank, $sql) ?? $sql, " \t\n\r\f\v;(");
        if ($dialect === 'mysql' && preg_match('~^SET\b(.*)~is', $text, $set) === 1) {
            self::checkMysqlSet($set[1]);
        }
        foreach (self::TRANSACTION + self::RULES[$dialect] as $pattern => $rule) {
            if (preg_match($pattern, $text) === 1) {
                throw self::refused($rule, $text);
            }
        }
    }

    /** SET of MySQL is a list, and each item of it may be something else. */
    private static function checkMysqlSet(string $items): void
    {
        if (preg_match('~^\s+STATEMENT\b.*?\bFOR\b(.*)~is', $items, $inner) === 1) {
            self::check('mysql', $inner[1]);
            return;
        }
        if (preg_match('~^\s+(?:PASSWORD|DEFAULT)\b~i', $items) === 1) {
            return;
        }
        // A keyword also holds for the items behind it that have none.
        $global = false;
        preg_match_all('~(?:[^,()]++|(?<p>\((?:[^()]++|(?&p))*+(?:\)|\z))|\))++~', $items, $list);
        foreach ($list[0] as $item) {
            // @x is a variable of the user, which reads as it was left: documented, and not refused.
            if (preg_match('~^\s*(?:@(?!\s*@)|@@\s*(?:GLOBAL|PERSIST|PERSIST_ONLY)\b)~i', $item) === 1) {
                continue;
            }
            $global = $global || preg_match('~^\s*(?:GLOBAL|PERSIST|PERSIST_ONLY)\b~i', $item) === 1;
            if ($global && preg_match('~^\s*(?:@@|(?:SESSION|LOCAL)\b)~i', $item) !== 1) {
                continue;
            }
            $ofTransaction = '~^[\s@]*(?:(?:SESSION|LOCAL)[\s.]+)?(?:TRANSACTION|AUTOCOMMIT|TRANSACTION_ISOLATION'
                . '|TX_ISOLATION)\b~i';
            throw self::refused(preg_match($ofTransaction, $item) === 1 ? null : ['SET', self::SETTING_MYSQL], $item);
        }
    }

    /** @param array{string, string}|null $rule */
    private static function refused(?array $rule, string $text): QueryFailed
    {
        if ($rule === null) {
            return QueryFailed::because(
                'a transaction needs one connection for all its statements, and each query here may run on another',
                '25000',
            );
        }
        $what = $rule[0] === '%s' ? strtoupper(strtok($text, " \t\n\r\f\v(;") ?: '') : $rule[0];
        return QueryFailed::because(
            "$what stays with the connection, which the next query may not get and others will: $rule[1]",
            '0A000',
        );
    }
}
