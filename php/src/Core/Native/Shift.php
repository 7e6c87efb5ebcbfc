<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use Lyger\Config;

/** How long a worker of a fleet works: after so many requests or with so much memory it asks to be replaced. */
final class Shift
{
    /** What a worker says of its memory may be this many requests old. */
    private const REPORT_EVERY = 16;

    private int $served = 0;
    private readonly int $servedMax;
    private readonly int $memoryBytesMax;
    private bool $isOver = false;
    private bool $mustEnd = false;

    public function __construct(private readonly FFI $ffi, Config $config)
    {
        $max = $config->int('requests_per_worker_max');
        // Jittered, so that workers that began together don't leave together.
        $this->servedMax = $max === 0 ? PHP_INT_MAX : random_int($max - intdiv($max, 10), $max + intdiv($max, 10));
        $this->memoryBytesMax = $config->int('memory_per_worker_bytes_max') ?: PHP_INT_MAX;
    }

    /** The worker can't go on for much longer. */
    public function end(): void
    {
        $this->mustEnd = true;
    }

    /** After each request. */
    public function served(): void
    {
        $bytes = memory_get_usage(true);
        // After output of its own a PHP process can't start sessions any more.
        $isOver = ++$this->served >= $this->servedMax || $bytes > $this->memoryBytesMax || $this->mustEnd
            || headers_sent();
        if ($this->served % self::REPORT_EVERY === 1 || $isOver !== $this->isOver) {
            $this->isOver = $isOver;
            $this->ffi->lyger_worker_report($bytes, $isOver ? 1 : 0);
        }
    }
}
