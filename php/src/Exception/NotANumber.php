<?php

declare(strict_types=1);

namespace Lyger\Exception;

use Psr\Cache\CacheException as Psr6;
use Psr\SimpleCache\CacheException as Psr16;

/** A value of the cache is no number that can be counted with, or its sum would be none. The value stays. */
final class NotANumber extends LygerException implements Psr6, Psr16
{
}
