<?php

/** The outcome of every case in a process of its own, which has connections of its own: one JSON string each line. */

declare(strict_types=1);

require __DIR__ . '/../../../php/autoload.php';
require __DIR__ . '/cases.php';

Lyger\Core\Engine::getInstance()->configure(Lyger\Config::resolve([]));
foreach (array_keys(CASES[$argv[1]]) as $number) {
    echo json_encode(outcome($argv[1], $number), JSON_THROW_ON_ERROR), "\n";
    Lyger\Core\Engine::getInstance()->endClient(); // as at the end of a request
}
