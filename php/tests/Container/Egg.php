<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

final class Egg
{
    public function __construct(public readonly Hen $hen)
    {
    }
}
