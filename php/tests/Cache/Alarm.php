<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

/** An object that is heard when it is made from bytes. */
final class Alarm
{
    public static int $rung = 0;
    public string $name = 'alarm';

    public function __wakeup(): void
    {
        self::$rung++;
    }

    public function __destruct()
    {
        self::$rung++;
    }
}
