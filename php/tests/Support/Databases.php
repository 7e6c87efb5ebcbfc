<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

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
}
