<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Driver\AbstractSQLiteDriver;

/** SQLite, for DBAL's parameter `driverClass`. */
final class SqliteDriver extends AbstractSQLiteDriver
{
    use Connects;
}
