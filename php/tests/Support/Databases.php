<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use Lyger\Database\Fallback\Dsn;
use PDO;
use PHPUnit\Framework\Assert;

/** The databases that a test may use: SQLite always, the others where tests/support/with-services started them. */
final class Databases
{
    /** @return array<string, array{string}> DSN by name, as a data provider */
    public static function all(): array
    {
        return array_filter([
            'sqlite' => [self::sqlite()],
            'postgres' => [(string) getenv('LYGER_TEST_POSTGRES')],
            'mysql' => [(string) getenv('LYGER_TEST_MYSQL')],
        ], static fn (array $dsn): bool => $dsn[0] !== '');
    }

    /**
     * The DSN of a server; without one the test skips itself and says when it runs.
     *
     * @param string $name postgres or mysql
     */
    public static function server(string $name): string
    {
        $variable = 'LYGER_TEST_' . strtoupper($name);
        $dsn = (string) getenv($variable);
        return $dsn !== '' ? $dsn : Assert::markTestSkipped(
            "runs where $variable names a server, as in make test and under tests/support/with-services"
        );
    }

    /** A new file, deleted at the end. */
    public static function sqlite(): string
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'lyger');
        register_shutdown_function(static fn () => array_map(unlink(...), glob("$file*") ?: []));
        return "sqlite:$file";
    }

    public static function name(string $dsn): string
    {
        return match (true) {
            str_starts_with($dsn, 'postgres') => 'postgres',
            str_starts_with($dsn, 'mysql') => 'mysql',
            default => 'sqlite',
        };
    }

    /** A table's name that no other test has. */
    public static function table(): string
    {
        return 't' . bin2hex(random_bytes(6));
    }

    /** The same database through PDO, with prepared statements of the server's own and its clock in UTC. */
    public static function pdo(string $dsn): PDO
    {
        $parsed = Dsn::parse($dsn);
        $where = match ($parsed->dialect) {
            'postgres' => "pgsql:host={$parsed->host};port={$parsed->port};dbname={$parsed->database}",
            'mysql' => "mysql:host={$parsed->host};port={$parsed->port};dbname={$parsed->database};charset=utf8mb4",
            default => "sqlite:{$parsed->database}",
        };
        $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_EMULATE_PREPARES => false];
        $pdo = new PDO($where, $parsed->user, $parsed->password, $options);
        match ($parsed->dialect) {
            'postgres' => $pdo->exec("SET TimeZone = 'UTC'"),
            'mysql' => $pdo->exec("SET time_zone = '+00:00'"),
            default => null,
        };
        return $pdo;
    }
}
