<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** The system refused something of the file of an index. */
final class IndexFileFailed extends LygerException
{
    /** @param string $done written, or read */
    public static function at(string $path, string $done, string $reason): self
    {
        return new self("$path can't be $done: $reason", null, $path);
    }
}
