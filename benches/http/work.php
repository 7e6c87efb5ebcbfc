<?php

declare(strict_types=1);

/**
 * Keeps the processor busy with the same work everywhere: LYGER_BENCH_SPINS rounds for each microsecond, as
 * {@see spinsPerMicrosecond()} has measured them. Not until a clock says so: who waits for a processor would do less work.
 */
function burn(int $micros): int
{
    static $spins = null;
    $spins ??= (float) getenv('LYGER_BENCH_SPINS');
    return spin((int) ($spins * $micros));
}

function spin(int $rounds): int
{
    $sum = 0;
    for ($round = 0; $round < $rounds; $round++) {
        $sum = ($sum * 31 + $round) & 0xffffff;
    }
    return $sum;
}

/** How many rounds a microsecond of this processor's time takes; the best of several, because others run here too. */
function spinsPerMicrosecond(): float
{
    $rounds = 200_000;
    $best = INF;
    for ($run = 0; $run < 20; $run++) {
        $before = hrtime(true);
        spin($rounds);
        $best = min($best, (hrtime(true) - $before) / 1e3);
    }
    return $rounds / $best;
}
