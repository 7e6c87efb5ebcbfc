<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\ConnectionInterface;
use Lyger\Core\ResultInfo;
use Lyger\Database\Db;

/**
 * A connection of illuminate/database whose statements the engine runs: PostgresConnection, MySqlConnection or
 * SqliteConnection, which Connections::of() makes. PDO is not used, and need not be loaded.
 *
 * It holds no connection of its own: what is open for whom is the engine's business, as with Db.
 */
interface Connection extends ConnectionInterface
{
    public function db(): Db;

    /**
     * Runs an INSERT, for the id that the database has generated.
     *
     * @param array<mixed> $bindings
     */
    public function insertRow(string $query, array $bindings = []): ResultInfo;
}
