<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Illuminate\Database\Connection as IlluminateConnection;
use Illuminate\Database\ConnectionResolverInterface;
use Illuminate\Database\Schema\Builder as SchemaBuilder;
use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LibraryMissing;
use PDO;
use PDOException;

/**
 * Eloquent's connections by name. What isn't a method here is the default connection's, as with Laravel's DB facade:
 * table(), select(), transaction(), ...
 *
 * @mixin IlluminateConnection
 */
final class Connections implements ConnectionResolverInterface
{
    private string $default;

    /** @param non-empty-array<string, IlluminateConnection&Connection> $connections the first is the default */
    public function __construct(private array $connections)
    {
        $this->default = (string) array_key_first($connections);
    }

    /** A connection of Eloquent's to a database. */
    public static function of(Db $db, string $name = 'default', string $prefix = ''): IlluminateConnection&Connection
    {
        if (!class_exists(IlluminateConnection::class)) {
            throw LibraryMissing::named('illuminate/database');
        }
        if (!class_exists(PDO::class)) {
            class_alias(PdoConstants::class, PDO::class);
            class_alias(PdoFailure::class, PDOException::class);
        }
        return match ($db->dialect()) {
            'pgsql' => new PostgresConnection($db, $name, $prefix),
            'mysql' => new MySqlConnection($db, $name, $prefix),
            default => new SqliteConnection($db, $name, $prefix),
        };
    }

    public function connection($name = null)
    {
        $name ??= $this->default;
        return $this->connections[$name]
            ?? throw InvalidArgument::because("Eloquent was booted without a connection \"$name\"", $name);
    }

    public function getDefaultConnection()
    {
        return $this->default;
    }

    public function setDefaultConnection($name)
    {
        $this->connection($name);
        $this->default = $name;
    }

    public function schema(?string $name = null): SchemaBuilder
    {
        return $this->connection($name)->getSchemaBuilder();
    }

    /** @param array<mixed> $arguments */
    public function __call(string $method, array $arguments): mixed
    {
        return $this->connection()->$method(...$arguments);
    }
}
