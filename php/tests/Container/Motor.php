<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

interface Motor
{
}
