<?php

// What a statement costs a PHP program: Lyger beside PDO and ext-pgsql, in turns in one process, on real databases. Prints a
// table and writes target/bench/sql.json. Runs inside benches/sql/run, which starts the databases.
//
// Wall is the program's time; CPU is that of the program's process, its threads and system calls included, the database's
// not. LYGER_BENCH_CASES picks cases by a part of their names; LYGER_BENCH_SHORT=1 takes seconds and is for trying.

declare(strict_types=1);

require __DIR__ . '/../../php/autoload.php';
require __DIR__ . '/../http/figures.php';
require __DIR__ . '/Place.php';
require __DIR__ . '/Boundary.php';
require __DIR__ . '/measure.php';
require __DIR__ . '/Report.php';
require __DIR__ . '/cases.php';
require __DIR__ . '/Crowd.php';

/** Where client and server are; SQLite has no server. */
const PLACEMENTS = ['S' => 'S: client and server on one core', 'X' => 'X: client and server on two cores'];
const ALONE = 'Alone on one core';

$short = (string) getenv('LYGER_BENCH_SHORT') !== '';
$wanted = (string) getenv('LYGER_BENCH_CASES');
$places = Place::all();
$report = new Report();
foreach (cases($places) as $case => ['place' => $place, 'works' => $works, 'marks' => $marks]) {
    if ($wanted !== '' && !str_contains($case, $wanted)) {
        continue;
    }
    foreach ($place->name === 'SQLite' ? ['X' => ALONE] : PLACEMENTS as $key => $placement) {
        pin($key);
        $runs = turns($works, $short);
        $subject = array_key_first($works);
        $about = ['case' => $case, 'subject' => $subject, 'placement' => $placement];
        foreach (array_slice(array_keys($works), 1) as $peer) {
            foreach (['wall', 'cpu'] as $metric) {
                // Marks are set against PDO alone.
                $mark = str_starts_with($peer, 'PDO') ? $marks[$metric][$key] ?? null : null;
                $report->add($about, $peer, $metric, 'us', $runs[$subject], $runs[$peer], $mark);
            }
        }
        if (isset($marks['memory']) && $key === 'S') {
            $rounds = $short ? SHORT_ROUNDS : ROUNDS;
            $memory = array_map(
                static fn (Closure $work): array => array_map(static fn () => peakBytes($work), range(1, $rounds)),
                $works,
            );
            $report->add($about, 'PDO, json_encode', 'memory', 'bytes', $memory[$subject], $memory['PDO, json_encode'], null);
            $report->addMark($about, 'memory', 'bytes', $memory[$subject], $marks['memory']);
        }
    }
}
$case = '16 askers of one row, PostgreSQL';
if ($wanted === '' || str_contains($case, $wanted)) {
    foreach (function_exists('Lyger\\async') ? PLACEMENTS : [] as $key => $placement) {
        pin($key);
        $crowd = new Crowd($places['PostgreSQL']);
        $times = $short ? 20 : 500;
        [$fibers, $processes] = [[], []];
        for ($round = $short ? -SHORT_ROUNDS : -ROUNDS; $round <= 0; $round++) {
            foreach ($round % 2 === 0 ? ['fibers', 'processes'] : ['processes', 'fibers'] as $who) {
                ${$who}[] = $crowd->$who($times);
            }
        }
        $crowd->end();
        $about = ['case' => $case, 'subject' => '16 Fibers', 'placement' => $placement];
        // Without the first, which connects.
        [$fibers, $processes] = [array_slice($fibers, 1), array_slice($processes, 1)];
        $report->add($about, '16 x PDO', 'wall', 'us', $fibers, $processes, null);
        $report->add($about, '16 x PDO', 'cpu', 'us', $fibers, $processes, 1.2);
    }
    if (!function_exists('Lyger\\async')) {
        $report->missing($case, 'there is no Lyger\\async()');
    }
}
echo "CPU is the client's process alone, or its 16; a ratio above 1 means that Lyger is ahead.\n";
if (!$short) {
    $report->write();
}
