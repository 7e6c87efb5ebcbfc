<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Config;
use Lyger\Database\Bytes;

/**
 * One connection for each DSN: PHP does one thing at a time, so a second would never be used.
 */
final class Connections
{
    /** The one unused for longest is closed for another. A program with a SQLite file per customer has more. */
    private const CONNECTIONS_MAX = 64;

    private readonly Limits $limits;
    /** @var array<string, Connection> */
    private array $open = [];

    public function __construct(Config $config)
    {
        $this->limits = Limits::of($config);
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    public function query(string $dsn, string $sql, array $params): Table
    {
        Tokens::refuseTransaction($sql);
        $connection = $this->open[$dsn] ?? $this->connect(Dsn::parse($dsn));
        unset($this->open[$dsn]);
        if (count($this->open) >= self::CONNECTIONS_MAX) {
            unset($this->open[array_key_first($this->open)]);
        }
        $this->open[$dsn] = $connection;
        return $connection->query($sql, $params);
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
