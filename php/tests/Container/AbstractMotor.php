<?php

declare(strict_types=1);

namespace Lyger\Tests\Container;

abstract class AbstractMotor implements Motor
{
}
