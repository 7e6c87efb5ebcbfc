<?php

declare(strict_types=1);

namespace Lyger\Tests\Database\Eloquent;

enum Level: string
{
    case Low = 'low';
    case High = 'high';
}
