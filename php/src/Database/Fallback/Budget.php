<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Bytes;
use Lyger\Exception\ResultTooLarge;

/** What a result may still grow by, counted as the engine counts: 8 bytes a number, 4 beside the bytes of a string. */
final class Budget
{
    private int $left;

    public function __construct(private readonly int $bytesMax)
    {
        $this->left = $bytesMax;
    }

    /** @param list<mixed> $row */
    public function take(array $row): void
    {
        foreach ($row as $value) {
            $this->left -= match (true) {
                $value === null => 4,
                is_bool($value) => 1,
                is_string($value) => strlen($value) + 4,
                $value instanceof Bytes => strlen($value->bytes) + 4,
                default => 8,
            };
        }
        if ($this->left < 0) {
            throw ResultTooLarge::of($this->bytesMax);
        }
    }
}
