<?php

declare(strict_types=1);

namespace Lyger\Config;

/** Where a setting comes from; each goes before the ones below it. */
enum Source: string
{
    /** What a program gave to Config::resolve(). */
    case Code = 'code';
    case Flag = 'flag';
    case Environment = 'environment';
    case File = 'file';
    case Default = 'default';
}
