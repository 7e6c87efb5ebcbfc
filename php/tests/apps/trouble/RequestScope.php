<?php

declare(strict_types=1);

namespace Lyger\Tests\Apps;

/** Must be new for each request. */
final class RequestScope
{
    public int $uses = 0;
}
