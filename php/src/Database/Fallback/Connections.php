<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Config;
use Lyger\Database\Given;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\QueryFailed;

/**
 * One connection for each DSN: PHP does one thing at a time, so a second would never be used.
 */
final class Connections
{
    /** The one unused for longest is closed for another. A program with a SQLite file per customer has more. */
    private const CONNECTIONS_MAX = 64;
    /** A connection that lay idle for longer is asked whether the server still knows it: PHP shows no socket of it. */
    private const PING_AFTER_SECONDS = 0.01;

    private readonly Limits $limits;
    /** @var array<string, array{Connection, float}> with the time of the last use, the one unused for longest first */
    private array $open = [];

    public function __construct(Config $config)
    {
        $this->limits = Limits::of($config);
    }

    public function query(string $dsn, string $sql, Given $given): Table
    {
        $parsed = Dsn::parse($dsn);
        if (Tokens::isBlank($sql, $parsed->dialect)) {
            $reason = 'the statement is empty: it has nothing but white space and comments';
            throw QueryFailed::because($reason, '42601');
        }
        Refusal::check($parsed->dialect, $sql);
        [$sql, $params] = Bind::statement($parsed->dialect, $sql, $given);
        $connection = $this->take($dsn) ?? $this->connect($parsed);
        try {
            return $connection->query($sql, $params);
        } catch (ConnectionFailed $lost) {
            $connection = null;
            throw $lost;
        } finally {
            if ($connection !== null) {
                $this->open[$dsn] = [$connection, microtime(true)];
            }
        }
    }

    private function take(string $dsn): ?Connection
    {
        [$connection, $usedAt] = $this->open[$dsn] ?? [null, 0.0];
        unset($this->open[$dsn]);
        if (count($this->open) >= self::CONNECTIONS_MAX) {
            unset($this->open[array_key_first($this->open)]);
        }
        $isFresh = microtime(true) - $usedAt < self::PING_AFTER_SECONDS;
        return $connection === null || $isFresh || $connection->isAlive() ? $connection : null;
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
