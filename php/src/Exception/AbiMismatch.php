<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The library was built for another version of this package. */
final class AbiMismatch extends LygerException
{
    public static function between(int $library, int $package, string $path): self
    {
        return new self("$path speaks ABI version $library and this package $package: install the matching library");
    }
}
