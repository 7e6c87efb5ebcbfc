<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use Lyger\Database\Fallback\Dsn;
use PDO;

/** Somebody else at the same database, through PDO: sees what others have committed and nothing more. */
final class Observer
{
    private readonly PDO $pdo;

    public function __construct(string $dsn)
    {
        $parsed = Dsn::parse($dsn);
        $driver = ['postgres' => 'pgsql', 'mysql' => 'mysql'][$parsed->dialect] ?? null;
        $this->pdo = $driver === null
            ? new PDO("sqlite:$parsed->database", null, null, [PDO::ATTR_TIMEOUT => 0])
            : new PDO(
                "$driver:host=$parsed->host;port=$parsed->port;dbname=$parsed->database",
                $parsed->user,
                $parsed->password,
            );
    }

    public function value(string $sql): mixed
    {
        return $this->pdo->query($sql)->fetchColumn();
    }

    public function run(string $sql): void
    {
        $this->pdo->exec($sql);
    }
}
