<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\PostgresConnection as Dialect;

/** Eloquent on PostgreSQL. Ids that INSERT generates come by RETURNING. */
final class PostgresConnection extends Dialect implements Connection
{
    use RunsOnEngine;
}
