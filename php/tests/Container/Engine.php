<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

final class Engine implements Motor
{
    public function start(): string
    {
        return 'start';
    }

    public static function make(): string
    {
        return 'made';
    }
}
