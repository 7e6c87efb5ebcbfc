<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/**
 * What a statement leaves on its connection for whoever comes next: rust/db/leaves.rs, in regular expressions. Both are
 * held to tests/support/leaves.tsv. What is said here too much costs a new connection and nothing else.
 */
enum Leaves
{
    case Nothing;
    /** An open transaction, or one that may be open. */
    case Transaction;
    /** Nothing of the transaction that was open. */
    case End;
    /** Something that only a new connection is without. */
    case Session;

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

    /** What leaves a transaction, by its first words. */
    private const TRANSACTION = [
        'postgres' => 'BEGIN|START\s+TRANSACTION|SAVEPOINT|RELEASE|SET|DECLARE',
        'mysql' => 'BEGIN|START\s+TRANSACTION|SAVEPOINT|RELEASE|SET\s+TRANSACTION',
        'sqlite' => 'BEGIN|START\s+TRANSACTION|SAVEPOINT|RELEASE',
    ];

    private const CHAIN = '(?:COMMIT|END|ROLLBACK|ABORT)(?:\s+(?:WORK|TRANSACTION))?\s+(?:TO|AND\s+CHAIN)';

    /** What leaves something of the session, by its first words. */
    private const SESSION = [
        'postgres' => '~^(?:
              SET\b(?!\s+(?:LOCAL|CONSTRAINTS|TRANSACTION)\b)
            | RESET\b | DISCARD\b | LISTEN\b | UNLISTEN\b | LOAD\b | DECLARE\b.*\bHOLD\b
            | (?:SELECT|WITH)\b.*(?<!INSERT|MERGE)\s+INTO\s+(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\s+(?!FROM\b)\w
            | EXPLAIN\b.*\bTEMP(?:ORARY)?\b
            | PREPARE\b(?!\s+TRANSACTION\b) | DEALLOCATE\b | EXECUTE\b | LOCK\b | DO\b | CALL\b
            | CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\b
            )~xis',
        'mysql' => '~^(?:
              CALL\b | DO\b | IF\b | CASE\b | LOOP\b | FOR\b | WHILE\b | REPEAT\b | BEGIN\s+NOT\b
            | \w+\s*:\s*(?:BEGIN|LOOP|WHILE|REPEAT|FOR)\b
            | XA\b | PREPARE\b | DEALLOCATE\b | EXECUTE\b | DROP\s+(?:PREPARE|DATABASE|SCHEMA)\b
            | USE\b | LOCK\b | UNLOCK\b | BACKUP\b
            | HANDLER\b | FLUSH\b.*\b(?:READ|EXPORT)\b | EXPLAIN\b.*\bTEMP(?:ORARY)?\b
            | CREATE\s+(?:OR\s+REPLACE\s+)?TEMPORARY\b
            )~xis',
        'sqlite' => '~^(?:
              CREATE\s+TEMP(?:ORARY)?\b | CREATE(?:\s+\w+)*\s+TEMP\s*\. | ATTACH\b | DETACH\b
            | EXPLAIN\b.*\b(?:TEMP(?:ORARY)?|PRAGMA)\b
            | PRAGMA\s+(?:\w+\s*\.\s*)?(?!(?:' . self::PRAGMAS . ')\b)(?:\w+\s*[=(]|\'\')
            )~xis',
    ];

    /** The arguments of set_config() that make the setting end with the transaction. */
    private const UNTIL_END = '\((?:[^(),]++|,|(?<q>\((?:[^()]++|(?&q))*+\)))*?,\s*true\s*\)';

    /** What leaves something wherever it stands, in quotes too. */
    private const NAMES = [
        'postgres' => '~advisory_lock|pg_temp|setseed|query_to_xml|ts_stat|ts_rewrite|u&"'
            . '|(?:physical|logical)_replication_slot|pg_backup_start|pg_start_backup|dblink_connect'
            . '|(?<![\w\x80-\xff])set_limit|update.*pg_settings~is',
        'mysql' => '~get_lock~i',
        'sqlite' => '~(?!)~',
    ];

    public static function of(string $dialect, string $sql): self
    {
        $blank = static fn (array $noise): string => ($noise['blank'] ?? '') !== '' ? ' ' : "''";
        $text = ltrim(preg_replace_callback(self::NOISE[$dialect], $blank, $sql) ?? $sql, " \t\n\r\f\v;(");
        if ($dialect === 'mysql' && preg_match('~^SET\s+STATEMENT\b.*?\bFOR\b(.*)~is', $text, $inner) === 1) {
            return self::of('mysql', $inner[1]);
        }
        $words = preg_match(self::SESSION[$dialect], $text) === 1
            || ($dialect === 'mysql' && preg_match('~^SET\b(.*)~is', $text, $set) === 1 && self::isSetting($set[1]));
        // MySQL's @x is a variable of the session, and @@x one of the server's.
        $variables = $dialect === 'mysql' && preg_match('~(?<!@)@(?!\s*@)~', $text) === 1;
        $sets = $dialect === 'postgres' && stripos($sql, 'set_config') !== false && !self::setsUntilEnd($text);
        return match (true) {
            $words, $variables, $sets, preg_match(self::NAMES[$dialect], $sql) === 1 => self::Session,
            preg_match('~^' . self::CHAIN . '\b~i', $text) === 1 => self::Transaction,
            preg_match('~^COMMIT\s+PREPARED\b~i', $text) === 1 => self::Nothing,
            preg_match('~^(?:COMMIT|END|ROLLBACK|ABORT|PREPARE\s+TRANSACTION)\b~i', $text) === 1 => self::End,
            preg_match('~^(?:' . self::TRANSACTION[$dialect] . ')\b~i', $text) === 1,
            $dialect === 'postgres' && stripos($sql, 'set_config') !== false => self::Transaction,
            default => self::Nothing,
        };
    }

    /** Whether each set_config() ends with the transaction; a name in quotes is none. */
    private static function setsUntilEnd(string $text): bool
    {
        $calls = preg_match_all('~\bset_config\b~i', $text);
        return $calls > 0 && $calls === preg_match_all('~\bset_config\b(?=\s*' . self::UNTIL_END . ')~i', $text);
    }

    /** SET of MySQL is a list, and each item of it may be something else. */
    private static function isSetting(string $items): bool
    {
        if (preg_match('~^\s+(?:PASSWORD|DEFAULT|TRANSACTION)\b~i', $items) === 1) {
            return false;
        }
        // A keyword holds for its own item: what follows it without one is the session's.
        preg_match_all('~(?:[^,()]++|(?<p>\((?:[^()]++|(?&p))*+(?:\)|\z))|\))++~', $items, $list);
        foreach ($list[0] as $item) {
            if (preg_match('~^\s*(?:@\s*@\s*)?(?:GLOBAL|PERSIST|PERSIST_ONLY)\b~i', $item) !== 1) {
                return true;
            }
        }
        return false;
    }
}
