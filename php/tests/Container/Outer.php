<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

final class Outer
{
    public function __construct(public readonly Hen $hen)
    {
    }
}
