<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use Lyger\Core\Backend;

/**
 * A part of a stream's rows, in the engine. Within a transaction it is all of them, which as PHP values would take ten
 * times the memory: they become some a slice at a time.
 */
final class Chunk
{
    private const SLICE_ROWS = 500;

    private int $from = 0;

    public function __construct(public readonly int $result)
    {
    }

    /** @return list<array<string, mixed>>|null null behind the last row */
    public function next(Backend $engine): ?array
    {
        $rows = $engine->rows($this->result, $this->from, self::SLICE_ROWS);
        $this->from += count($rows);
        return $rows === [] ? null : $rows;
    }
}
