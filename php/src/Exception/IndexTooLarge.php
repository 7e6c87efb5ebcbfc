<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** An index of vectors would be larger than vector.bytes_max, or than the memory there is. */
final class IndexTooLarge extends LygerException
{
    public static function of(int $bytes, int $bytesMax): self
    {
        $reason = "the index would take $bytes bytes, and may take $bytesMax (vector.bytes_max)";
        return new self($reason, null, (string) $bytes);
    }
}
