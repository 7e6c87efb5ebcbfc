<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Tests\Support\OverRedis;

final class RedisSessionsTest extends SessionsTest
{
    use OverRedis;

    protected function php(): string
    {
        return '$cache = Lyger\Cache\Store::open(' . var_export(self::$server?->dsn('prefix=test.'), true) . ');';
    }
}
