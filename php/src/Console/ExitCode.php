<?php

declare(strict_types=1);

namespace Lyger\Console;

/** What `rawr` ends with. */
final class ExitCode
{
    public const DONE = 0;
    public const FAILED = 1;
    public const WRONG_USAGE = 2;
    public const ADDRESS_TAKEN = 3;
    public const BOOT_FAILED = 4;
}
