<?php

// Lyger beside `php -S` and nginx + php-fpm, all answering the same query from the same database, one after the other
// in the same minutes. Prints a table and writes target/bench/http.json. Runs inside benches/http/run, which starts the
// databases and php-fpm.

declare(strict_types=1);

require __DIR__ . '/Server.php';
require __DIR__ . '/products.php';

/** Rounds in which every server has its turn; the order rotates, so that no one always follows the same other. */
const ROUNDS = 7;
/** Long enough for hundreds of requests to the slowest, short enough that a disturbance spoils one round. */
const ROUND_SECONDS = 2;
const CONNECTIONS = 32;
const PRODUCTS = 2000;

$scratch = sys_get_temp_dir() . '/lyger-bench-' . getmypid();
mkdir($scratch);
$postgres = (string) getenv('LYGER_TEST_POSTGRES');
$sqlite = (string) getenv('LYGER_BENCH_SQLITE');
fillProducts(new PDO("sqlite:$sqlite"), PRODUCTS);
fillProducts(
    new PDO((string) getenv('LYGER_BENCH_PDO_postgres'), getenv('LYGER_BENCH_USER'), getenv('LYGER_BENCH_PASSWORD')),
    PRODUCTS,
);

$root = dirname(__DIR__, 2);
$servers = [];
register_shutdown_function(static function () use (&$servers, $scratch): void {
    foreach ($servers as $server) {
        $server->stop();
    }
    array_map(unlink(...), glob("$scratch/*"));
    rmdir($scratch);
});
$servers['lyger'] = Server::start(
    'lyger',
    // With opcache, as the peers have it.
    [PHP_BINARY, '-d', 'opcache.enable_cli=1', "$root/php/bin/rawr", 'serve', '--app=' . __DIR__ . '/app', '--port={port}'],
    ['LYGER_ENGINE' => 'required'],
    "$scratch/lyger.log",
);
$servers['php -S'] = Server::start(
    'php -S',
    [PHP_BINARY, '-d', 'opcache.enable_cli=1', '-S', '127.0.0.1:{port}', __DIR__ . '/peer.php'],
    ['PHP_CLI_SERVER_WORKERS' => '2'],
    "$scratch/php-s.log",
);
$servers['nginx + php-fpm'] = Server::running(
    'nginx + php-fpm',
    (string) getenv('LYGER_FPM_URL'),
    array_map(intval(...), explode(' ', (string) getenv('LYGER_FPM_PIDS'))),
);

/** @return array{requests: float, micros: float} requests a second, and CPU microseconds for each of them */
function measure(Server $server, string $database, int $rows, int $seconds): array
{
    $environment = [
        'LYGER_BENCH_DATABASE' => $database,
        'LYGER_BENCH_ROWS' => (string) $rows,
        'LYGER_BENCH_FROM_MAX' => (string) (PRODUCTS - $rows),
    ];
    $command = ['wrk', '-t1', '-c' . CONNECTIONS, "-d{$seconds}s", '--timeout', '60s', '-s', __DIR__ . '/load.lua', $server->url];
    $cpuBefore = $server->cpuSeconds();
    $process = proc_open($command, [1 => ['pipe', 'w']], $pipes, null, $environment + getenv());
    $output = (string) stream_get_contents($pipes[1]);
    proc_close($process);
    $cpu = $server->cpuSeconds() - $cpuBefore;
    $complete = preg_match('/(\d+) requests in ([\d.]+)s/', $output, $found) === 1;
    if (!$complete || (int) $found[1] === 0 || str_contains($output, 'Non-2xx') || str_contains($output, 'Socket errors')) {
        throw new RuntimeException("$server->name fails under load:\n$output");
    }
    return ['requests' => $found[1] / (float) $found[2], 'micros' => $cpu * 1e6 / (int) $found[1]];
}

function median(array $values): float
{
    sort($values);
    $middle = intdiv(count($values), 2);
    return count($values) % 2 === 1 ? $values[$middle] : ($values[$middle - 1] + $values[$middle]) / 2;
}

// Nobody is measured on errors or on another answer: the rows must be those that were asked for, and the same everywhere.
foreach ($servers as $server) {
    if (file_get_contents("$server->url/hello/name-7?visit=1") !== '{"hello":"name-7"}') {
        throw new RuntimeException("$server->name answers something else to hello");
    }
}
foreach (['sqlite', 'postgres'] as $database) {
    $expected = null;
    foreach ($servers as $server) {
        $rows = json_decode((string) file_get_contents("$server->url/$database/1000/17"), true);
        // What PDO and Lyger write the same way; the dates' and booleans' forms differ.
        $rows = array_map(static fn (array $row) => [(int) $row['id'], $row['name'], (float) $row['price'], $row['description']], $rows);
        $expected ??= $rows;
        if ($rows !== $expected || array_column($rows, 0) !== range(17, 1016)) {
            throw new RuntimeException("$server->name answers something else from $database");
        }
    }
}

$records = [];
printf("%-26s %-18s %12s %12s %8s %12s %12s %8s\n", 'case', 'peer', 'Lyger us', 'peer us', 'ratio', 'Lyger req/s', 'peer req/s', 'ratio');
$cases = [['hello', 0], ['sqlite', 1], ['sqlite', 1000], ['postgres', 1], ['postgres', 1000]];
foreach ($cases as [$database, $rows]) {
    $case = match ($rows) {
        0 => 'hello JSON',
        1 => "$database, 1 row",
        default => "$database, $rows rows",
    };
    foreach ($servers as $server) {
        measure($server, $database, $rows, 1);
    }
    $runs = [];
    $order = array_keys($servers);
    for ($round = 0; $round < ROUNDS; $round++) {
        foreach ($order as $name) {
            $runs[$name][] = measure($servers[$name], $database, $rows, ROUND_SECONDS);
        }
        $order[] = array_shift($order);
    }
    foreach (['php -S', 'nginx + php-fpm'] as $peer) {
        $columns = [];
        foreach (['micros' => ['cpu', 'us/request'], 'requests' => ['throughput', 'requests/s']] as $key => [$metric, $unit]) {
            $ours = array_column($runs['lyger'], $key);
            $theirs = array_column($runs[$peer], $key);
            $paired = array_map(
                static fn (float $our, float $their) => $key === 'micros' ? $their / $our : $our / $their,
                $ours,
                $theirs,
            );
            $records[] = [
                'case' => $case,
                'subject' => 'lyger',
                'peer' => $peer,
                'metric' => $metric,
                'unit' => $unit,
                'placement' => 'server, load and database share all cores',
                'runs' => ROUNDS,
                'subject_median' => round(median($ours), 2),
                'peer_median' => round(median($theirs), 2),
                'ratio' => round(median($paired), 3),
                'spread' => round((max($paired) - min($paired)) / median($paired), 3),
            ];
            array_push($columns, median($ours), median($theirs), median($paired));
        }
        printf("%-26s %-18s %12.1f %12.1f %8.2f %12.0f %12.0f %8.2f\n", $case, $peer, ...$columns);
    }
}
echo "CPU microseconds are those of the server's whole process tree, the database's not counted; a ratio above 1 means that Lyger is ahead.\n";
@mkdir("$root/target/bench", 0777, true);
file_put_contents("$root/target/bench/http.json", json_encode($records, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES) . "\n");
