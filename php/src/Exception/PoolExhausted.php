<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Every connection stayed busy for db.acquire_timeout_ms. */
final class PoolExhausted extends LygerException
{
}
