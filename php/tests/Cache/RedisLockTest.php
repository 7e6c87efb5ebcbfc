<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Tests\Support\OverRedis;

final class RedisLockTest extends LockTest
{
    use OverRedis;
}
