<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Lyger\Database\Db;
use SensitiveParameter;

/** Of DBAL's parameters `dsn` (a string) or `db` (a Lyger\Database\Db) is read; what a DSN says, it alone says. */
trait Connects
{
    /** @param array<string, mixed> $params */
    public function connect(#[SensitiveParameter] array $params): Connection
    {
        $db = $params['db'] ?? (isset($params['dsn']) ? Db::connect($params['dsn']) : null);
        return $db instanceof Db && Driver::of($db) === self::class ? new Connection($db) : throw Failure::because(
            self::class . ' wants the parameter "dsn" or "db", of a database of its kind'
        );
    }
}
