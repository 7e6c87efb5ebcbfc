<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Somebody else held a lock for longer than lockTimeout(), or than NOWAIT would wait. */
final class LockTimeout extends QueryFailed
{
}
