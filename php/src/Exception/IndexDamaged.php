<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A file is no index of vectors, or not a whole one: cut, changed, or of another program. */
final class IndexDamaged extends LygerException
{
    public static function at(string $path, string $reason): self
    {
        return new self("$path is no index: $reason", null, $path);
    }
}
