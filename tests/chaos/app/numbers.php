<?php

/** The first numbers that this worker draws, each in its own way: a line of the log. For a test's boot. */

declare(strict_types=1);

$cards = range(1, 52);
shuffle($cards);
$drawn = [
    'mt_rand' => mt_rand(),
    'rand' => rand(),
    'lcg_value' => lcg_value(),
    'uniqid' => strstr(uniqid('', true), '.'),
    'shuffle' => implode('-', $cards),
    'array_rand' => implode('-', array_rand(range(1, 1_000), 20)),
    'str_shuffle' => str_shuffle(implode('', range('a', 'z'))),
];
$line = getmypid() . ' drew';
foreach ($drawn as $how => $number) {
    $line .= " $how=$number";
}
file_put_contents((string) getenv('CHAOS_LOG'), "$line\n", FILE_APPEND | LOCK_EX);
