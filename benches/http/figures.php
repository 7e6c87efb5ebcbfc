<?php

declare(strict_types=1);

function median(array $values): float
{
    sort($values);
    $middle = intdiv(count($values), 2);
    return count($values) % 2 === 1 ? $values[$middle] : ($values[$middle - 1] + $values[$middle]) / 2;
}

/**
 * The figures of two servers measured in turns; a ratio above 1 means that the subject is ahead.
 *
 * @param list<array<string, float>> $subject
 * @param list<array<string, float>> $peer
 * @return array{runs: int, subject_median: float, peer_median: float, ratio: float, spread: float}
 */
function compare(array $subject, array $peer, string $key, bool $moreIsBetter = false): array
{
    $ours = array_column($subject, $key);
    $theirs = array_column($peer, $key);
    $paired = array_map(static fn (float $our, float $their) => $moreIsBetter ? $our / $their : $their / $our, $ours, $theirs);
    return [
        'runs' => count($ours),
        'subject_median' => round(median($ours), 3),
        'peer_median' => round(median($theirs), 3),
        'ratio' => round(median($paired), 3),
        'spread' => round((max($paired) - min($paired)) / median($paired), 3),
    ];
}

/** @param list<array<string, mixed>> $records */
function writeFigures(string $name, array $records): void
{
    $folder = dirname(__DIR__, 2) . '/target/bench';
    @mkdir($folder, 0777, true);
    file_put_contents("$folder/$name.json", json_encode($records, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES) . "\n");
}

/** A folder for logs and the like, gone with the process. */
function scratchFolder(): string
{
    $folder = sys_get_temp_dir() . '/lyger-bench-' . getmypid();
    mkdir($folder);
    register_shutdown_function(static fn () => exec('rm -rf ' . escapeshellarg($folder)));
    return $folder;
}
