<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\Query\Builder;

/** insertGetId() where the database tells the id with the INSERT's own answer. */
trait GeneratesIds
{
    public function processInsertGetId(Builder $query, $sql, $values, $sequence = null)
    {
        $connection = $query->getConnection();
        assert($connection instanceof Connection);
        return $connection->insertRow($sql, $values)->lastInsertId;
    }
}
