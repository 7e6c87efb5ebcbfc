<?php

declare(strict_types=1);

namespace Lyger\Container;

/** How long the container keeps what it built. */
enum Lifetime
{
    case Never;
    case Process;
    case Request;
}
