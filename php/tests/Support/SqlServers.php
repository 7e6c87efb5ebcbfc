<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

/** The application of php/tests/apps/sql on each database, under the native server in both of its shapes. */
trait SqlServers
{
    /** @var array<string, ServerProcess> by shape and database */
    private static array $servers = [];

    public static function tearDownAfterClass(): void
    {
        array_map(static fn (ServerProcess $server) => $server->stop(), self::$servers);
        self::$servers = [];
    }

    public function places(): iterable
    {
        foreach (Databases::all() as $name => [$dsn]) {
            foreach (['rawr', 'solo'] as $shape) {
                yield "$name, $shape" => [$shape, $dsn];
            }
        }
    }

    private static function server(string $shape, string $dsn): ServerProcess
    {
        $environment = ['SQL_DSN' => $dsn, 'SOLO_APP' => 'sql'];
        return self::$servers["$shape $dsn"] ??= $shape === 'solo'
            ? ServerProcess::solo([], $environment)
            : ServerProcess::rawr(['--workers=2'], $environment, 'sql');
    }
}
