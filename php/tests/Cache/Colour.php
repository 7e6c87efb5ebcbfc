<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

enum Colour: string
{
    case Red = 'red';
}
