<?php

// Head of line: what a fast request waits for while 5% of the others take 100 ms, asleep or at work, or are answered with
// 10 MB of rows, on 4 workers. Lyger beside php-fpm with as many children, and with 16, in turns. Prints a table and writes target/bench/latency.json. Runs
// inside benches/http/run. LYGER_BENCH_CASES picks cases by a part of their names; LYGER_BENCH_SHORT=1 is for trying.

declare(strict_types=1);

require __DIR__ . '/Server.php';
require __DIR__ . '/figures.php';
require __DIR__ . '/products.php';

const ROUNDS = 7;
const ROUND_SECONDS = 10;
const WORKERS = 4;
/** Moderate: the slow ones alone keep half a worker busy. */
const REQUESTS_PER_SECOND = 100;
const SLOW_EVERY = 20;
const SLOW_MICROS = 100_000;
/** Milliseconds that the 99th of 100 fast requests may take beside sleepers. */
const SLEEP_MARK_MS = 2.0;
/** What it may take beside burners, against php-fpm with as many children. */
const BURN_MARK = 1.2;
/** What it may take beside answers of 10 MB, against none. */
const LARGE_MARK = 2.0;
/** As many products are 10 MB of JSON. */
const LARGE_ROWS = 45_000;

$scratch = scratchFolder();
touch((string) getenv('LYGER_BENCH_SQLITE'));
$servers = [
    'lyger' => Server::fleet('lyger', WORKERS, $scratch),
    'php-fpm 4' => Server::fpm('php-fpm 4', 'LYGER_FPM'),
    'php-fpm 16' => Server::fpm('php-fpm 16', 'LYGER_FPM16'),
];
register_shutdown_function(static fn () => $servers['lyger']->stop());
// Whose other requests are not asked for.
$alone = ['lyger alone' => $servers['lyger']];

/**
 * Asks at fixed moments, whether answers have come or not, on connections that are kept open.
 *
 * @return list<float> for each fast request the milliseconds from the moment at which it was due to its whole answer
 */
function ask(Server $server, ?string $slow, int $seconds): array
{
    $address = 'tcp://' . substr($server->url, strlen('http://'));
    $idle = [];
    $busy = [];
    $waits = [];
    $total = $seconds * REQUESTS_PER_SECOND;
    $start = hrtime(true) / 1e6;
    for ($sent = 0; $sent < $total || $busy !== []; ) {
        $due = $start + $sent * 1e3 / REQUESTS_PER_SECOND;
        $now = hrtime(true) / 1e6;
        if ($sent < $total && $now >= $due) {
            $isSlow = $slow !== null && $sent % SLOW_EVERY === 7;
            $path = $isSlow ? slowPath($slow, $sent) : "/hello/name-$sent";
            // What only the last of many rows has behind it, or the whole answer.
            $end = $isSlow && $slow === 'large' ? ']' : "{\"hello\":\"name-$sent\"}";
            $socket = array_pop($idle);
            if ($socket === null) {
                $socket = stream_socket_client($address);
                // Or PHP takes 10 MB in 1,200 steps, and its processor time is what the fast requests wait for.
                stream_set_chunk_size($socket, 262_144);
            }
            fwrite($socket, "GET $path?visit=$sent HTTP/1.1\r\nHost: bench\r\nX-Visit: $sent\r\n\r\n");
            $busy[(int) $socket] = [$socket, $isSlow ? null : $due, $end, '', 0];
            $sent++;
            continue;
        }
        $read = array_column($busy, 0);
        $wait = $sent < $total ? max(0, (int) (($due - $now) * 1e3)) : 10_000_000;
        if ($read === []) {
            usleep($wait);
            continue;
        }
        $write = $except = null;
        if (stream_select($read, $write, $except, intdiv($wait, 1_000_000), $wait % 1_000_000) === 0 && $sent === $total) {
            throw new RuntimeException("$server->name leaves requests without an answer: " . implode(', ', array_map(static fn (array $one) => "$one[2]: $one[3]", $busy)));
        }
        foreach ($read as $socket) {
            [, $due, $body, $bytes] = $busy[(int) $socket];
            $part = (string) fread($socket, 262_144);
            $length = $busy[(int) $socket][4] += strlen($part);
            $bytes .= $part;
            // Of a long answer the head and the end: the whole of it would be copied with each part.
            $bytes = strlen($bytes) > 8_192 ? substr($bytes, 0, 512) . substr($bytes, -512) : $bytes;
            $busy[(int) $socket][3] = $bytes;
            // A long answer of unknown length ends with an empty chunk.
            $isWhole = str_ends_with($bytes, $body) || str_ends_with($bytes, "$body\r\n0\r\n\r\n");
            if ($isWhole && str_starts_with($bytes, 'HTTP/1.1 200')) {
                if ($body === ']' && $length < 9_000_000) {
                    throw new RuntimeException("$server->name answers with $length bytes in the place of 10 MB");
                }
                if ($due !== null) {
                    $waits[] = hrtime(true) / 1e6 - $due;
                }
                unset($busy[(int) $socket]);
                if (!str_contains($bytes, "\r\nConnection: close")) {
                    $idle[] = $socket; // nginx closes after the thousandth request
                }
            } elseif (feof($socket)) {
                throw new RuntimeException("$server->name answers something else than $body in $length bytes:\n$bytes");
            }
        }
    }
    return $waits;
}

function slowPath(string $slow, int $sent): string
{
    return $slow === 'large' ? '/postgres/' . LARGE_ROWS . '/1' : "/$slow/" . SLOW_MICROS . "/name-$sent";
}

/** @param list<float> $values */
function percentile(array $values, float $part): float
{
    sort($values);
    return $values[(int) ceil($part * count($values)) - 1];
}

$cases = ['sleep' => '5% sleep 100 ms', 'burn' => '5% burn 100 ms', 'large' => '5% answer with 10 MB'];
$wanted = (string) getenv('LYGER_BENCH_CASES');
$seconds = (string) getenv('LYGER_BENCH_SHORT') === '' ? ROUND_SECONDS : 1;
$records = [];
printf("%-18s %-12s %9s %9s %9s %9s %7s %7s\n", 'case', 'peer', 'p50 ms', 'p99 ms', 'peer p50', 'peer p99', 'ratio', 'spread');
foreach (array_filter($cases, static fn (string $case) => $wanted === '' || str_contains($case, $wanted)) as $slow => $case) {
    if ($slow === 'large') {
        fillProducts(
            new PDO((string) getenv('LYGER_BENCH_PDO_postgres'), getenv('LYGER_BENCH_PDO_user'), getenv('LYGER_BENCH_PDO_password')),
            LARGE_ROWS,
        );
    }
    $asked = $servers + ($slow === 'large' ? $alone : []);
    $order = array_keys($asked);
    foreach ($order as $name) {
        ask($asked[$name], isset($alone[$name]) ? null : $slow, 1);
    }
    $runs = [];
    for ($round = 0; $round < ROUNDS; $round++) {
        foreach ($order as $name) {
            $waits = ask($asked[$name], isset($alone[$name]) ? null : $slow, $seconds);
            $runs[$name][] = ['p50' => percentile($waits, 0.5), 'p99' => percentile($waits, 0.99)];
        }
        $order[] = array_shift($order);
    }
    $times = static fn (float $mark, array $runs): array
        => array_map(static fn (array $run) => array_map(static fn (float $ms) => $mark * $ms, $run), $runs);
    $runs['mark'] = match ($slow) {
        'sleep' => array_fill(0, ROUNDS, ['p50' => SLEEP_MARK_MS, 'p99' => SLEEP_MARK_MS]),
        'burn' => $times(BURN_MARK, $runs['php-fpm 4']),
        'large' => $times(LARGE_MARK, $runs['lyger alone']),
    };
    foreach (['php-fpm 4', 'php-fpm 16', ...($slow === 'large' ? ['lyger alone'] : []), 'mark'] as $peer) {
        $p99 = compare($runs['lyger'], $runs[$peer], 'p99');
        $p50 = compare($runs['lyger'], $runs[$peer], 'p50');
        $records[] = ['case' => "$case, p99 of the others", 'subject' => 'lyger', 'peer' => $peer, 'metric' => 'wall', 'unit' => 'ms']
            + ['placement' => 'server and load share all cores'] + $p99;
        printf(
            "%-18s %-12s %9.2f %9.2f %9.2f %9.2f %7.2f %7.2f\n",
            $case, $peer, $p50['subject_median'], $p99['subject_median'], $p50['peer_median'], $p99['peer_median'], $p99['ratio'], $p99['spread'],
        );
    }
}
echo "A ratio above 1 means that Lyger is ahead.\n";
if ($seconds === ROUND_SECONDS) {
    writeFigures('latency', $records);
}
