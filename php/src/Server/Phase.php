<?php

declare(strict_types=1);

namespace Lyger\Server;

/** Where a connection of the stream server is: see Connection. */
enum Phase
{
    case Reading;
    case Ready;
    case Writing;
    case Lingering;
    case Closed;
}
