<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

/** Has something to say when it is read. */
final class Waking
{
    public function __wakeup(): void
    {
        @filemtime('/nowhere/at/all');
        trigger_error('the class is old', E_USER_DEPRECATED);
    }
}
