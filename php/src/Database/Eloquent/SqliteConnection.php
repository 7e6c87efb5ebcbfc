<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\SQLiteConnection as Dialect;

/** Eloquent on SQLite. Foreign keys are enforced, as in every connection of the engine. */
final class SqliteConnection extends Dialect implements Connection
{
    use RunsOnEngine;

    public function getSchemaBuilder()
    {
        if ($this->schemaGrammar === null) {
            $this->useDefaultSchemaGrammar();
        }
        return new SqliteBuilder($this);
    }

    protected function getDefaultPostProcessor()
    {
        return new SqliteProcessor();
    }
}
