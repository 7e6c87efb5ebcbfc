<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use Lyger\Cache\Store;
use Lyger\Core\Engine;

/** Tests of a cache, over a real redis-server of their own. */
trait OverRedis
{
    private static ?RedisServer $server = null;

    public static function setUpBeforeClass(): void
    {
        self::$server = RedisServer::isThere() ? new RedisServer() : null;
    }

    public static function tearDownAfterClass(): void
    {
        self::$server = null;
    }

    protected function open(): Store
    {
        if (self::$server === null || !Engine::getInstance()->isNative() && !extension_loaded('redis')) {
            self::markTestSkipped('runs where redis-server is installed, and without the library ext-redis');
        }
        return Store::open(self::$server->dsn('prefix=test.'));
    }
}
