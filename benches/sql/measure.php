<?php

declare(strict_types=1);

/** Alternating rounds; the order rotates, so that no one always follows the same other. */
const ROUNDS = 9;
/** For trying; still as many as the contract asks for. */
const SHORT_ROUNDS = 7;
/** How long one turn takes at least: thousands of small statements, or one large. */
const TURN_MS = 200.0;
const SHORT_TURN_MS = 15.0;

/** Puts this process on one core: with the servers (S), or beside them (X). */
function pin(string $placement): void
{
    exec('taskset -a -c -p ' . ($placement === 'S' ? 0 : 1) . ' ' . getmypid(), $output, $code);
    if ($code !== 0) {
        throw new RuntimeException("taskset:\n" . implode("\n", $output));
    }
}

/** CPU microseconds of this process and all its threads. */
function cpuMicros(): float
{
    $usage = getrusage();
    return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e6 + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

/**
 * One turn: $work is done so often; microseconds for each time.
 *
 * @param Closure(int): void $work is given a number that changes each time
 * @return array{wall: float, cpu: float}
 */
function turn(Closure $work, int $times): array
{
    $cpu = cpuMicros();
    $start = hrtime(true);
    for ($time = 0; $time < $times; $time++) {
        $work($time);
    }
    $wall = (hrtime(true) - $start) / 1e3;
    return ['wall' => $wall / $times, 'cpu' => (cpuMicros() - $cpu) / $times];
}

/** How often $work fits into a turn; warms it up, too. */
function timesPerTurn(Closure $work, float $turnMs): int
{
    $work(0);
    $times = 1;
    while (turn($work, $times)['wall'] * $times < $turnMs * 500) {
        $times *= 2;
    }
    return max(1, (int) ($turnMs * 1e3 / turn($work, $times)['wall']));
}

/**
 * All of them in turns.
 *
 * @param array<string, Closure(int): void> $works
 * @return array<string, list<array{wall: float, cpu: float}>>
 */
function turns(array $works, bool $short): array
{
    $times = array_map(static fn (Closure $work): int => timesPerTurn($work, $short ? SHORT_TURN_MS : TURN_MS), $works);
    $order = array_keys($works);
    $runs = [];
    for ($round = 0; $round < ($short ? SHORT_ROUNDS : ROUNDS); $round++) {
        foreach ($order as $name) {
            $runs[$name][] = turn($works[$name], $times[$name]);
        }
        $order[] = array_shift($order);
    }
    return $runs;
}

/**
 * The most bytes that PHP's memory held during $work, above what it held before.
 *
 * @return array{memory: float}
 */
function peakBytes(Closure $work): array
{
    gc_collect_cycles();
    memory_reset_peak_usage();
    $before = memory_get_usage();
    $work(0);
    return ['memory' => (float) max(1, memory_get_peak_usage() - $before)];
}
