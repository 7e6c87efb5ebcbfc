<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Driver\AbstractPostgreSQLDriver;

/** PostgreSQL, for DBAL's parameter `driverClass`. */
final class PostgreSqlDriver extends AbstractPostgreSQLDriver
{
    use Connects;
}
