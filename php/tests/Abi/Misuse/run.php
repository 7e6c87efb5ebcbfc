<?php

/*
 * Misuses one function, named by the argument, and prints a report as its last line: {"checks":12,"failures":[]}.
 * `--crash` dies as a crash would, so that the test can see that it sees one.
 */

declare(strict_types=1);

use Lyger\Tests\Abi\Misuse\Probe;

require __DIR__ . '/../../bootstrap.php';

if ($argv[1] === '--crash') {
    FFI::string(FFI::cast('char*', FFI::new('uintptr_t')), 1);
}
$probe = new Probe();
$probe->run($argv[1]);
echo "\n", json_encode(['checks' => $probe->checks, 'failures' => $probe->failures], JSON_THROW_ON_ERROR), "\n";
