<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Driver\AbstractMySQLDriver;

/** MySQL and MariaDB, for DBAL's parameter `driverClass`. */
final class MySqlDriver extends AbstractMySQLDriver
{
    use Connects;
}
