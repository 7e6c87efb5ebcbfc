<?php

declare(strict_types=1);

namespace Lyger\Core;

/** What pure PHP can tell about the machine: Linux says it in /proc, others stay unknown. */
final class Machine
{
    public static function totalMemoryBytes(): int
    {
        $info = is_readable('/proc/meminfo') ? (string) file_get_contents('/proc/meminfo') : '';
        return preg_match('/^MemTotal:\s+(\d+) kB/m', $info, $match) === 1 ? (int) $match[1] * 1024 : 0;
    }

    public static function cpu(): string
    {
        $info = is_readable('/proc/cpuinfo') ? (string) file_get_contents('/proc/cpuinfo') : '';
        return preg_match('/^model name\s*:\s*(.+)$/m', $info, $match) === 1 ? trim($match[1]) : php_uname('m');
    }
}
