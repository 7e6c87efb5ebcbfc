<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

final class Secret
{
    public function __construct(public readonly string $key)
    {
    }
}
