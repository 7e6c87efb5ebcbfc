<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

/** The parts that lyger_request_read() knows. */
enum RequestPart: int
{
    case Method = 1;
    case Path = 2;
    case Query = 3;
    case Header = 4;
    case Headers = 5;
    case Body = 6;
    case ClientAddress = 7;
    case ClientPort = 8;
    case Scheme = 9;
    case Version = 10;
}
