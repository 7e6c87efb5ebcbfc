<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\Timeout;
use PDO;
use PDOException;

/**
 * PDO's exceptions as the engine's.
 *
 * A connection that fails or breaks has no SQLSTATE in PDO: libpq gives the server's words alone, which the server
 * writes in its own language (lc_messages). So the SQLSTATE is read from the English words that servers use for it,
 * and is 08004 where a server refused in others.
 */
final class PostgresFailure
{
    private const QUERY_CANCELED = '57014';
    private const NOT_REACHED = '08001';
    private const REFUSED = '08004';
    private const LOST = '08006';
    /** libpq's status of a result that wants COPY's conversation: PGRES_COPY_OUT, PGRES_COPY_IN. */
    private const COPY = [3, 4];

    /** What PostgreSQL's source says beside each ereport(FATAL): postinit.c, auth.c, postgres.c, guc.c. */
    private const SQLSTATES = [
        '28P01' => 'password authentication failed for user|no password supplied',
        '28000' => 'no pg_hba\.conf entry|pg_hba\.conf rejects|authentication failed for user'
            . '|role ".*" does not exist|is not permitted to log in',
        '3D000' => 'database ".*" does not exist',
        '42501' => 'permission denied',
        '42704' => 'unrecognized configuration parameter',
        '22023' => 'invalid value for parameter',
        '53300' => 'too many clients already|too many connections|remaining connection slots are reserved',
        '55000' => 'is not currently accepting connections',
        '57P03' => 'the database system is ',
        '57P01' => 'due to administrator command',
        '57P02' => 'because of crash of another server process',
        '57P05' => 'due to idle-session timeout',
        '25P03' => 'due to idle-in-transaction timeout',
    ];

    public static function connecting(Dsn $dsn, PDOException $exception): ConnectionFailed
    {
        $text = preg_replace('/^SQLSTATE\[\w+\] \[\d+\] /', '', $exception->getMessage()) ?? '';
        $words = self::refusal($text);
        $sqlstate = self::sqlstate($text, $words === null ? self::NOT_REACHED : self::REFUSED);
        return ConnectionFailed::to((string) $dsn, $words ?? $text, $sqlstate);
    }

    /** A statement's failure; $isLost where the connection went with it. */
    public static function running(Dsn $dsn, PDOException $exception, bool $isLost): LygerException
    {
        [$sqlstate, $code, $text] = (array) $exception->errorInfo + ['HY000', null, $exception->getMessage()];
        $sqlstate = (string) $sqlstate;
        $text = (string) $text;
        if ($isLost) {
            $sqlstate = $sqlstate === 'HY000' ? self::sqlstate($text, self::LOST) : $sqlstate;
            return ConnectionFailed::to((string) $dsn, self::refusal($text) ?? $text, $sqlstate);
        }
        if ($text === '' && in_array($code, self::COPY, true)) {
            return QueryFailed::because(
                'COPY ... FROM STDIN and COPY ... TO STDOUT are not supported: '
                    . 'use INSERT and SELECT, or a server\'s file',
                '0A000',
            );
        }
        $text = preg_replace('/^ERROR:\s+/', '', $text === '' ? $exception->getMessage() : $text) ?? $text;
        $position = self::refusedParameter($exception);
        return $position === null
            ? QueryFailed::because($text, $sqlstate)
            : InvalidParams::because("parameter $position: " . strtok($text, "\n"));
    }

    /** Whether a statement was stopped because it had its time: the words that say so are translated, the clock isn't. */
    public static function isTimeout(PDOException $exception, float $seconds, int $limitMs): bool
    {
        return ($exception->errorInfo[0] ?? '') === self::QUERY_CANCELED && $limitMs > 0 && $seconds * 1000 >= $limitMs;
    }

    /**
     * The position of a value that the server could not read as its placeholder's type, which it tells at the end of
     * the context. JSON and enums are the server's to judge in the native engine too.
     */
    public static function refusedParameter(PDOException $exception): ?int
    {
        [$sqlstate, , $text] = (array) $exception->errorInfo + ['', null, ''];
        $isForm = in_array($sqlstate, ['22P02', '22003', '22007', '22008', '08P01', '22P03'], true);
        $found = preg_match('/\n\S+: +[^\n]*\$(\d+)(?: = \'[^\n]*)?\s*$/D', (string) $text, $match) === 1;
        return $isForm && $found && !str_contains((string) $text, 'for enum ') ? (int) $match[1] : null;
    }

    /** The same, unless the placeholder's type is one that no digits would help. */
    public static function refusedInteger(PDOException $exception): ?int
    {
        $isOther = preg_match('/double precision|\breal\b|boolean/', (string) ($exception->errorInfo[2] ?? '')) === 1;
        return $isOther ? null : self::refusedParameter($exception);
    }

    /** What a server said when it refused: FATAL, or the same in its language, a colon and two spaces. */
    private static function refusal(string $text): ?string
    {
        return preg_match('/(?:^|: |\n)[^\s:]+:  (\S[^\n]*)/', $text, $match) === 1 ? $match[1] : null;
    }

    private static function sqlstate(string $text, string $otherwise): string
    {
        foreach (self::SQLSTATES as $sqlstate => $words) {
            if (preg_match("/$words/", $text) === 1) {
                return (string) $sqlstate;
            }
        }
        return $otherwise;
    }
}
