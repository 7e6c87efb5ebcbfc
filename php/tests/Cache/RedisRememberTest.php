<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use Lyger\Tests\Support\OverRedis;

final class RedisRememberTest extends RememberTest
{
    use OverRedis;

    /** There is room for what the process's own cache has none for. */
    protected function whatHasNoPlace(): array
    {
        return array_slice(parent::whatHasNoPlace(), 0, 1);
    }
}
