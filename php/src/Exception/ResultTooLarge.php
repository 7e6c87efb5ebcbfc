<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** A result exceeds db.result_bytes_max. */
final class ResultTooLarge extends LygerException
{
    public static function of(int $bytesMax): self
    {
        return new self("the result holds more than $bytesMax bytes (db.result_bytes_max)", '54000');
    }
}
