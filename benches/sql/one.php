<?php

// One of the processes that ask by PDO at once: for each number on its input it runs as many statements of one row, and
// says how many microseconds of CPU they took.

declare(strict_types=1);

require __DIR__ . '/Place.php';
require __DIR__ . '/measure.php';

$statement = Place::pdo((string) getenv('LYGER_TEST_POSTGRES'))->prepare(Place::ONE);
echo "ready\n";
while (($line = fgets(STDIN)) !== false) {
    $before = cpuMicros();
    for ($time = 0; $time < (int) $line; $time++) {
        $statement->bindValue(1, 1 + $time * 7919 % Place::PRODUCTS, PDO::PARAM_INT);
        $statement->execute();
        if (count($statement->fetchAll(PDO::FETCH_ASSOC)) !== 1) {
            throw new RuntimeException('there is no such row');
        }
    }
    echo cpuMicros() - $before, "\n";
}
