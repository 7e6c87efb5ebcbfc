<?php

declare(strict_types=1);

namespace Lyger\Tests\Routing;

enum Suit: string
{
    case Hearts = 'h';
    case Spades = 's';
}
