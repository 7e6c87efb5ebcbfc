<?php

// Lyger, by either front and solo, beside nginx alone, `php -S` and nginx + php-fpm, all giving the same answers, one after
// the other in the same minutes. Prints a table and writes target/bench/http.json. Runs inside benches/http/run, which starts
// the databases and php-fpm. LYGER_BENCH_CASES picks cases by a part of their names.

declare(strict_types=1);

require __DIR__ . '/Server.php';
require __DIR__ . '/products.php';
require __DIR__ . '/figures.php';

/** Rounds in which every server has its turn; the order rotates, so that no one always follows the same other. */
const ROUNDS = 7;
/** Long enough for hundreds of requests to the slowest, short enough that a disturbance spoils one round. */
const ROUND_SECONDS = 2;
const CONNECTIONS = 64;
const PRODUCTS = 2000;
/** What a hello may cost at most, against nginx's `return 200`. */
const HELLO_MARK = 1.15;
/** CPU microseconds that a hello may cost by the front on io_uring. */
const HELLO_URING_MARK = 9.0;
/** CPU microseconds that a request with a handler of 50 us may cost. */
const BURN_50_MARK = 60.0;
/** CPU microseconds that a request for rows of PostgreSQL may cost: one, and a thousand. */
const ROW_MARK = 20.0;
const ROWS_MARK = 200.0;

$scratch = scratchFolder();
$postgres = (string) getenv('LYGER_TEST_POSTGRES');
$sqlite = (string) getenv('LYGER_BENCH_SQLITE');
fillProducts(new PDO("sqlite:$sqlite"), PRODUCTS);
$login = [getenv('LYGER_BENCH_USER'), getenv('LYGER_BENCH_PASSWORD')];
$pdo = new PDO((string) getenv('LYGER_BENCH_PDO_postgres'), ...$login);
fillProducts($pdo, PRODUCTS);
// The same where code may leave what the server doesn't tell, so that a request keeps its connection, which is reset behind it.
$code = substr((string) strrchr((string) getenv('LYGER_BENCH_POSTGRES_CODE'), '/'), 1);
$pdo->exec("DROP DATABASE IF EXISTS $code");
$pdo->exec("CREATE DATABASE $code");
$pdo = new PDO((string) getenv('LYGER_BENCH_PDO_postgres_code'), ...$login);
fillProducts($pdo, PRODUCTS);
$pdo->exec("CREATE FUNCTION run_text(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; END'");

$servers = [];
register_shutdown_function(static function () use (&$servers): void {
    foreach ($servers as $server) {
        $server->stop();
    }
});
$servers['lyger'] = Server::fleet('lyger', 2, $scratch);
$servers['lyger uring'] = Server::fleet('lyger uring', 2, $scratch, 'uring');
$servers['lyger solo'] = Server::start(
    'lyger solo',
    [PHP_BINARY, '-d', 'opcache.enable_cli=1', __DIR__ . '/solo.php', '{port}'],
    ['LYGER_ENGINE' => 'required'],
    "$scratch/solo.log",
);
$servers['nginx return 200'] = Server::nginx($scratch);
$servers['php -S'] = Server::start(
    'php -S',
    [PHP_BINARY, '-d', 'opcache.enable_cli=1', '-S', '127.0.0.1:{port}', __DIR__ . '/peer.php'],
    ['PHP_CLI_SERVER_WORKERS' => '2'],
    "$scratch/php-s.log",
);
$servers['php-fpm 2'] = Server::fpm('php-fpm 2', 'LYGER_FPM');
$servers['php-fpm 16'] = Server::fpm('php-fpm 16', 'LYGER_FPM16');

/** @return array{requests: float, micros: float} requests a second, and CPU microseconds for each of them */
function measure(Server $server, string $path, int $fromMax, int $seconds): array
{
    $environment = ['LYGER_BENCH_PATH' => $path, 'LYGER_BENCH_FROM_MAX' => (string) $fromMax];
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

// Nobody is measured on errors or on another answer: the rows must be those that were asked for, and the same everywhere.
foreach ($servers as $server) {
    foreach (['/hello/name-7', '/burn/50/name-7', '/burn/500/name-7'] as $path) {
        if (file_get_contents("$server->url$path?visit=1") !== '{"hello":"name-7"}') {
            throw new RuntimeException("$server->name answers something else to $path");
        }
    }
}
// Rows that pass through, and rows that become PHP arrays on their way.
$statements = ['sqlite' => '/sqlite', 'postgres' => '/postgres', 'postgres, arrays' => '/array/postgres'];
foreach ($statements as $path) {
    $expected = null;
    foreach ($servers as $server) {
        if ($server->name === 'nginx return 200') {
            continue;
        }
        $rows = json_decode((string) file_get_contents("$server->url$path/1000/17"), true);
        // What PDO and Lyger write the same way; the dates' and booleans' forms differ.
        $rows = array_map(static fn (array $row) => [(int) $row['id'], $row['name'], (float) $row['price'], $row['description']], $rows);
        $expected ??= $rows;
        if ($rows !== $expected || array_column($rows, 0) !== range(17, 1016)) {
            throw new RuntimeException("$server->name answers something else to $path");
        }
    }
}

// Two statements of one request, where nothing is left and where something may be.
$pairs = ['postgres, two statements' => '/two/postgres/', 'postgres with code, two statements' => '/two/postgres-code/'];
foreach ($pairs as $path) {
    foreach ($servers as $server) {
        if ($server->name === 'nginx return 200') {
            continue;
        }
        $rows = json_decode((string) file_get_contents("$server->url{$path}17"), true);
        if (array_column($rows, 'name') !== ['Product 17', 'Product 18']) {
            throw new RuntimeException("$server->name answers something else to $path");
        }
    }
}

$all = ['lyger', 'lyger solo', 'php -S', 'php-fpm 2', 'php-fpm 16'];
$cases = [
    'hello JSON' => ['/hello/', 0, ['lyger', 'lyger uring', 'lyger solo', 'nginx return 200', 'php -S', 'php-fpm 2', 'php-fpm 16']],
    'handler of 50 us' => ['/burn/50/', 0, [...$all, 'lyger uring']],
    'handler of 500 us' => ['/burn/500/', 0, $all],
];
foreach ($statements as $name => $path) {
    foreach ([1 => 'row', 1000 => 'rows'] as $rows => $word) {
        $cases["$name, $rows $word"] = ["$path/$rows/", PRODUCTS - $rows, $all];
    }
}
foreach ($pairs as $name => $path) {
    $cases[$name] = [$path, PRODUCTS - 1, $all];
}
$wanted = (string) getenv('LYGER_BENCH_CASES');
$cases = array_filter($cases, static fn (string $case) => $wanted === '' || str_contains($case, $wanted), ARRAY_FILTER_USE_KEY);

$records = [];
$placement = 'server, load and database share all cores';
printf("%-35s %-11s %-17s %9s %9s %6s %7s %9s %9s %6s\n", 'case', '', 'peer', 'us', 'peer us', 'ratio', 'spread', 'req/s', 'peer', 'ratio');
foreach ($cases as $case => [$path, $fromMax, $order]) {
    foreach ($order as $name) {
        measure($servers[$name], $path, $fromMax, 1);
    }
    $runs = [];
    for ($round = 0; $round < ROUNDS; $round++) {
        foreach ($order as $name) {
            $runs[$name][] = measure($servers[$name], $path, $fromMax, ROUND_SECONDS);
        }
        $order[] = array_shift($order);
    }
    foreach (array_intersect(['lyger', 'lyger uring', 'lyger solo'], $order) as $subject) {
        foreach (array_diff(array_keys($servers), ['lyger', 'lyger uring', 'lyger solo']) as $peer) {
            if (!isset($runs[$peer])) {
                continue;
            }
            $cpu = compare($runs[$subject], $runs[$peer], 'micros');
            $rate = compare($runs[$subject], $runs[$peer], 'requests', moreIsBetter: true);
            $about = ['case' => $case, 'subject' => $subject, 'peer' => $peer, 'placement' => $placement];
            $records[] = $about + ['metric' => 'cpu', 'unit' => 'us/request'] + $cpu;
            $records[] = $about + ['metric' => 'throughput', 'unit' => 'requests/s'] + $rate;
            printf(
                "%-35s %-11s %-17s %9.1f %9.1f %6.2f %7.2f %9.0f %9.0f %6.2f\n",
                $case, $subject, $peer,
                $cpu['subject_median'], $cpu['peer_median'], $cpu['ratio'], $cpu['spread'],
                $rate['subject_median'], $rate['peer_median'], $rate['ratio'],
            );
        }
        $marks = [
            'hello JSON' => static fn (int $round) => $subject === 'lyger uring'
                ? HELLO_URING_MARK
                : HELLO_MARK * $runs['nginx return 200'][$round]['micros'],
            'handler of 50 us' => static fn (int $round) => BURN_50_MARK,
            'postgres, 1 row' => static fn (int $round) => ROW_MARK,
            'postgres, 1000 rows' => static fn (int $round) => ROWS_MARK,
        ];
        if (isset($marks[$case])) {
            $mark = array_map(static fn (int $round) => ['micros' => $marks[$case]($round)], array_keys($runs[$subject]));
            $cpu = compare($runs[$subject], $mark, 'micros');
            $records[] = ['case' => $case, 'subject' => $subject, 'peer' => 'mark', 'placement' => $placement]
                + ['metric' => 'cpu', 'unit' => 'us/request'] + $cpu;
            printf("%-35s %-11s %-17s %9.1f %9.1f %6.2f %7.2f\n", $case, $subject, 'mark', $cpu['subject_median'], $cpu['peer_median'], $cpu['ratio'], $cpu['spread']);
        }
    }
}
echo "CPU microseconds are those of the server's whole process tree, the database's not counted; a ratio above 1 means that Lyger is ahead.\n";
writeFigures('http', $records);
