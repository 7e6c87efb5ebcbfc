<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;

/** Tests that talk to a server over sockets; the engine under test is the one of LYGER_ENGINE. */
abstract class ServerTestCase extends TestCase
{
    private static ?ServerProcess $shared = null;
    /** @var list<ServerProcess> */
    private array $own = [];

    /** One server for the tests that leave it as it was. */
    protected function server(): ServerProcess
    {
        return self::$shared ??= ServerProcess::rawr();
    }

    /**
     * A server for this test alone.
     *
     * @param list<string> $flags
     * @param array<string, string> $environment
     */
    protected function ownServer(array $flags = [], array $environment = []): ServerProcess
    {
        return $this->own[] = ServerProcess::rawr($flags, $environment);
    }

    /**
     * One for this test alone that is one process natively too.
     *
     * @param list<string> $flags
     */
    protected function soloServer(array $flags = []): ServerProcess
    {
        return $this->own[] = ServerProcess::solo($flags);
    }

    protected function keep(ServerProcess $server): ServerProcess
    {
        return $this->own[] = $server;
    }

    protected function tearDown(): void
    {
        array_map(static fn (ServerProcess $server) => $server->stop(), $this->own);
        $this->own = [];
    }

    public static function tearDownAfterClass(): void
    {
        self::$shared?->stop();
        self::$shared = null;
    }

    /** A name for ServerProcess::hold() that no other test has. */
    protected static function unique(): string
    {
        return 'lyger-hold-' . getmypid() . '-' . bin2hex(random_bytes(4));
    }

    protected function needsFleet(): void
    {
        if (!self::isNative() || PHP_OS_FAMILY !== 'Linux') {
            self::markTestSkipped('runs in the half with the library, on Linux: elsewhere there is one worker');
        }
    }

    protected static function isNative(): bool
    {
        return \Lyger\Core\Engine::getInstance()->isNative();
    }
}
