<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Generator;
use Lyger\Config;
use Lyger\Database\Given;
use Lyger\Database\Options;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidHandle;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use SensitiveParameter;

/**
 * One connection for each DSN: PHP does one thing at a time, so a second is only there beside a stream.
 *
 * What statements leave on a connection is theirs until end(): then it is rolled back, and one with more left on it
 * than a transaction is closed.
 */
final class Connections
{
    /** The one unused for longest is closed for another. A program with a SQLite file per customer has more. */
    private const CONNECTIONS_MAX = 64;
    /** A connection that lay idle for longer is asked whether the server still knows it: PHP shows no socket of it. */
    private const PING_AFTER_SECONDS = 0.01;

    /** In the engine's words. */
    private const LOST = 'the connection that held this transaction, or these settings, has broken, and they are lost: '
        . 'ROLLBACK before anything else';

    private readonly Limits $limits;
    /** @var array<string, Lease> by DSN, the one unused for longest first */
    private array $open = [];
    /** @var array<string, true> DSNs whose connection broke with something on it */
    private array $lost = [];
    /** @var array<int, Generator<int, Table>> */
    private array $streams = [];
    /** No two have the same number, whosever they are. */
    private static int $lastStream = 0;

    public function __construct(Config $config)
    {
        $this->limits = Limits::of($config);
    }

    public function query(#[SensitiveParameter] string $dsn, string $sql, Given $given, Options $options): Table
    {
        $parsed = self::check($dsn, $sql);
        [$sql, $params] = Bind::statement($parsed->dialect, $sql, $given);
        $leaves = Leaves::of($parsed->dialect, $sql);
        if (isset($this->lost[$dsn])) {
            if (!in_array(Tokens::firstKeyword($sql), ['ROLLBACK', 'ABORT'], true) || $leaves !== Leaves::End) {
                throw ConnectionFailed::to((string) $parsed, self::LOST, '08003');
            }
            unset($this->lost[$dsn]);
            return new Table([], []);
        }
        $lease = $this->take($dsn) ?? new Lease($this->connect($parsed), $parsed->resetsAlways);
        $hadLeft = $lease->left !== Leaves::Nothing;
        $lease->note($leaves);
        $this->open[$dsn] = $lease;
        $connection = $lease->connection;
        $limit = $this->limit($options);
        try {
            if ($limit !== null) {
                $connection->limit($limit);
            }
            $table = $connection->query($sql, $params, $options);
            $lease->settle($leaves);
            return $table;
        } catch (ConnectionFailed $failure) {
            unset($this->open[$dsn]);
            if ($hadLeft) {
                $this->lost[$dsn] = true;
            }
            throw $failure;
        } finally {
            if (isset($this->open[$dsn])) {
                if ($limit !== null) {
                    $connection->limit(null);
                }
                $lease->usedAt = microtime(true);
            }
        }
    }

    /** A connection that something was left on is not the stream's to keep busy: there all rows are read at once. */
    public function openStream(#[SensitiveParameter] string $dsn, string $sql, Given $given, Options $options): int
    {
        $parsed = self::check($dsn, $sql);
        $isFree = !isset($this->lost[$dsn]) && !$this->keeps($dsn)
            && Leaves::of($parsed->dialect, $sql) === Leaves::Nothing;
        $rows = $isFree
            ? $this->stream($parsed, $dsn, $sql, $given, $options)
            : $this->query($dsn, $sql, $given, $options)->chunks(Connection::CHUNK_ROWS);
        $rows->valid(); // runs the statement
        $this->streams[++self::$lastStream] = $rows;
        return self::$lastStream;
    }

    /** The next rows, null behind the last. */
    public function nextChunk(int $id): ?Table
    {
        $rows = $this->streams[$id] ?? throw InvalidHandle::stream($id);
        $table = $rows->valid() ? $rows->current() : null;
        $rows->next();
        return $table;
    }

    public function closeStream(int $id): void
    {
        unset($this->streams[$id]);
    }

    public function keeps(#[SensitiveParameter] string $dsn): bool
    {
        return isset($this->open[$dsn]) && $this->open[$dsn]->isKept();
    }

    /** Whoever asked has ended. */
    public function end(): void
    {
        $this->streams = [];
        $this->lost = [];
        foreach ($this->open as $dsn => $lease) {
            if (!$lease->isKept()) {
                continue;
            }
            try {
                $lease->connection->query('ROLLBACK', []);
                $isAsBefore = !$lease->isReset && $lease->left !== Leaves::Session;
            } catch (LygerException) {
                $isAsBefore = false; // SQLite had none open, or the connection broke
            }
            $lease->left = Leaves::Nothing;
            // A database in memory would be gone with its connection.
            if (!$isAsBefore && !Dsn::parse((string) $dsn)->isMemory()) {
                unset($this->open[$dsn]);
            }
        }
    }

    /** What the statement has less time than others by; null where it has none of its own. */
    private function limit(Options $options): ?int
    {
        $usual = $this->limits->statementTimeoutMs;
        $isLess = $options->timeoutMs !== null && ($usual === 0 || $options->timeoutMs < $usual);
        return $isLess ? $options->timeoutMs : null;
    }

    private static function check(#[SensitiveParameter] string $dsn, string $sql): Dsn
    {
        $parsed = Dsn::parse($dsn);
        if (Tokens::isBlank($sql, $parsed->dialect)) {
            $reason = 'the statement is empty: it has nothing but white space and comments';
            throw QueryFailed::because($reason, '42601');
        }
        return $parsed;
    }

    /** @return Generator<int, Table> */
    private function stream(
        Dsn $parsed,
        #[SensitiveParameter] string $dsn,
        string $sql,
        Given $given,
        Options $options,
    ): Generator {
        [$sql, $params] = Bind::statement($parsed->dialect, $sql, $given);
        $lease = $this->take($dsn) ?? new Lease($this->connect($parsed), $parsed->resetsAlways);
        $connection = $lease->connection;
        if ($parsed->dialect === 'sqlite') {
            $this->open[$dsn] = $lease;
        }
        $limit = $this->limit($options);
        if ($limit !== null) {
            $connection->limit($limit);
        }
        yield from $connection->stream($sql, $params, $options);
        if (!isset($this->open[$dsn]) && $limit === null) {
            $lease->usedAt = microtime(true);
            $this->open[$dsn] = $lease;
        }
    }

    /** The open connection, if there is one that may be used. */
    private function take(#[SensitiveParameter] string $dsn): ?Lease
    {
        $lease = $this->open[$dsn] ?? null;
        unset($this->open[$dsn]);
        foreach (count($this->open) < self::CONNECTIONS_MAX ? [] : $this->open as $other => $unused) {
            if (!$unused->isKept()) {
                unset($this->open[$other]);
                break;
            }
        }
        // Where something was left the statement itself shall fail, when the connection has.
        $isFresh = $lease !== null && ($lease->isKept()
            || microtime(true) - $lease->usedAt < self::PING_AFTER_SECONDS);
        return $isFresh || $lease?->connection->isAlive() === true ? $lease : null;
    }

    private function connect(Dsn $dsn): Connection
    {
        return match ($dsn->dialect) {
            'postgres' => new PostgresConnection($dsn, $this->limits),
            'mysql' => new MysqlConnection($dsn, $this->limits),
            default => new SqliteConnection($dsn, $this->limits),
        };
    }
}
