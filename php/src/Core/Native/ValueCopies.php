<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;

/**
 * What PHP has read of the engine's table lately, up to a number of bytes.
 *
 * @internal
 */
final class ValueCopies
{
    /** Each so many-th value that is read becomes a copy: what is read often does soon, what is read once rarely costs one. */
    private const READS_PER_COPY = 16;

    /** @var array<string, ValueCopy> */
    public array $byKey = [];
    private int $bytes = 0;
    private int $reads = 0;
    /** Of copies that have gone, for the engine to count. */
    private int $hits = 0;

    /** @param int $bytesMax of keys, values and what PHP takes for them; 0 for none */
    public function __construct(private readonly int $bytesMax)
    {
    }

    /** Whether a value that was just read is to be copied. @param ValueCopy|null $old of before, outdated */
    public function isWorth(?ValueCopy $old): bool
    {
        return $old?->wasOfUse() || ++$this->reads % self::READS_PER_COPY === 0;
    }

    /** @param CData $reader what lyger_store_find has set when it read the value */
    public function keep(string $key, string $bytes, CData $reader): void
    {
        $weight = ValueCopy::weight($key, $bytes);
        if ($weight > $this->bytesMax || FFI::isNull($reader->sequence)) {
            return;
        }
        if ($this->bytes + $weight > $this->bytesMax) {
            // What is still read is soon back; to know which was read last would cost each read.
            foreach ($this->byKey as $copy) {
                $this->hits += $copy->reads();
            }
            $this->byKey = [];
            $this->bytes = 0;
        }
        $this->bytes += $weight;
        $this->byKey[$key] = new ValueCopy($bytes, $reader->sequence, $reader->version, $reader->expires_at);
        if ($this->hits > 0) {
            $reader->hits = $this->hits;
            $this->hits = 0;
        }
    }

    public function drop(string $key, ValueCopy $copy): void
    {
        unset($this->byKey[$key]);
        $this->bytes -= ValueCopy::weight($key, $copy->bytes);
        $this->hits += $copy->reads();
    }
}
