<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

final class Hen
{
    public function __construct(public readonly Egg $egg)
    {
    }
}
