<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Configuration;
use Doctrine\DBAL\Connection as DoctrineConnection;
use Doctrine\DBAL\DriverManager;
use Lyger\Database\Db;
use Lyger\Exception\LibraryMissing;
use SensitiveParameter;

/**
 * Doctrine DBAL 3 on the engine:
 *
 *     $connection = Driver::connection('postgres://shop@localhost/shop');
 *
 * or, where only parameters can be given, ['driverClass' => PostgreSqlDriver::class, 'dsn' => 'postgres://...'].
 *
 * DBAL counts transactions in its connection object, and ORM's EntityManager holds entities: make new ones for each
 * request (they open no socket of their own).
 */
final class Driver
{
    public static function connection(
        #[SensitiveParameter] Db|string $database,
        ?Configuration $configuration = null,
    ): DoctrineConnection {
        if (!class_exists(DriverManager::class)) {
            throw LibraryMissing::named('doctrine/dbal');
        }
        $db = is_string($database) ? Db::connect($database) : $database;
        return DriverManager::getConnection(['driverClass' => self::of($db), 'db' => $db], $configuration);
    }

    /** @return class-string<\Doctrine\DBAL\Driver> */
    public static function of(Db $db): string
    {
        return match ($db->dialect()) {
            'pgsql' => PostgreSqlDriver::class,
            'mysql' => MySqlDriver::class,
            default => SqliteDriver::class,
        };
    }
}
