<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Exception\LygerException;
use Throwable;

/** The application doesn't boot: exit code 4. */
final class BootFailed extends LygerException
{
    public static function missing(string $folder): self
    {
        return new self("$folder holds no bootstrap.php: name the application's folder with --app=DIR");
    }

    public static function noApplication(string $file): self
    {
        return new self("$file must return a Lyger\\Application");
    }

    public static function because(string $file, Throwable $cause): self
    {
        $at = "{$cause->getFile()}:{$cause->getLine()}";
        // In full, with the causes and the trace: it may happen once, in a reload far away from any terminal.
        return new self("$file fails: {$cause->getMessage()} ($at)\n$cause", null, null, $cause);
    }
}
