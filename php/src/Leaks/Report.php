<?php

declare(strict_types=1);

namespace Lyger\Leaks;

/** What grew, as a table for a person. */
final class Report
{
    /** What leaks most comes first; the rest mostly hangs on it. */
    private const ROWS_MAX = 25;

    /**
     * @param int $answered requests
     * @param int $every requests between two looks
     * @param array<string, array{Size, Size}> $growth at the end of the warm-up and now, by name
     * @param int $bytes PHP's memory
     * @param int $moreBytes how much of it came after the warm-up
     */
    public static function text(int $answered, int $every, array $growth, int $bytes, int $moreBytes): string
    {
        $perRequest = (int) round($moreBytes / ($answered - $every));
        $text = "after $answered requests memory is " . self::bytes($bytes) . ', ' . self::more($moreBytes, true)
            . " since the warm-up of $every, $perRequest bytes a request; " . self::cycles();
        if ($growth === []) {
            return "$text\n  nothing has grown with every $every requests";
        }
        uasort($growth, static fn (array $a, array $b): int => self::weight($b) <=> self::weight($a));
        $rows = [["grown with every $every requests", 'elements', 'bytes']];
        foreach (array_slice($growth, 0, self::ROWS_MAX) as $name => [$first, $last]) {
            $rows[] = [
                $name . ($last->example === '' ? '' : " (such as {$last->example})"),
                "$last->elements (" . self::more($last->elements - $first->elements, false) . ')',
                $last->bytes === 0
                    ? ''
                    : self::bytes($last->bytes) . ' (' . self::more($last->bytes - $first->bytes, true) . ')',
            ];
        }
        $width = max(array_map(static fn (array $row): int => strlen($row[0]), $rows));
        foreach ($rows as [$name, $elements, $size]) {
            $text .= rtrim(sprintf("\n  %-{$width}s  %20s  %24s", $name, $elements, $size));
        }
        $left = count($growth) - self::ROWS_MAX;
        return $left > 0 ? "$text\n  and $left more" : $text;
    }

    /** @param array{Size, Size} $pair */
    private static function weight(array $pair): int
    {
        // A handle weighs more than any bytes of it that PHP knows.
        return $pair[1]->bytes === 0 ? PHP_INT_MAX : $pair[1]->bytes - $pair[0]->bytes;
    }

    private static function cycles(): string
    {
        $gc = gc_status();
        return "the cycle collector has run {$gc['runs']} times, collected {$gc['collected']} and holds {$gc['roots']}";
    }

    private static function more(int $number, bool $isBytes): string
    {
        return ($number < 0 ? '-' : '+') . ($isBytes ? self::bytes(abs($number)) : (string) abs($number));
    }

    private static function bytes(int $bytes): string
    {
        return match (true) {
            $bytes >= 10_485_760 => round($bytes / 1_048_576) . ' MB',
            $bytes >= 10_240 => round($bytes / 1_024) . ' kB',
            default => "$bytes bytes",
        };
    }
}
