<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A part of Lyger was used that works on a library which is not installed. */
final class LibraryMissing extends LygerException
{
    public static function named(string $package): self
    {
        return new self("$package is not installed: composer require $package");
    }
}
