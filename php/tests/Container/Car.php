<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

final class Car
{
    public function __construct(
        public readonly Engine $engine,
        public readonly int $wheels = 4,
        public readonly ?Motor $driver = null,
    ) {
    }
}
