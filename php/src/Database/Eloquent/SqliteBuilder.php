<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\Schema\SQLiteBuilder as Builder;

/**
 * SQLite's schema builder. To drop all tables Eloquent's own empties the database's file, under the connections that
 * are open: what they have in a write-ahead log comes back. Before Laravel 11 it drops views by writing to
 * sqlite_master.
 *
 * @internal
 */
final class SqliteBuilder extends Builder
{
    public function dropAllTables()
    {
        $this->withoutForeignKeys(fn () => $this->dropAll('table'));
    }

    public function dropAllViews()
    {
        $this->dropAll('view');
    }

    private function dropAll(string $type): void
    {
        $sql = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        foreach ($this->connection->select($sql, [$type]) as $found) {
            $this->connection->statement("DROP $type \"" . str_replace('"', '""', $found->name) . '"');
        }
    }

    private function withoutForeignKeys(callable $work): void
    {
        $before = $this->connection->selectOne('PRAGMA foreign_keys')->foreign_keys;
        $this->connection->statement('PRAGMA foreign_keys = OFF');
        try {
            $work();
        } finally {
            $this->connection->statement('PRAGMA foreign_keys = ' . (int) $before);
        }
    }
}
