<?php

/** See benches/cache/run. */

declare(strict_types=1);

use Lyger\Cache\Store;
use Lyger\Core\Engine;

require __DIR__ . '/../../php/autoload.php';
require __DIR__ . '/../../php/tests/Support/RedisServer.php';
require __DIR__ . '/../http/figures.php';

const ROUNDS = 9;
const KEY = 'user.00000000042';
/** Of issue 6: nanoseconds of a get, and how much faster than a Redis it is. */
const MARKS = ['get of 100 bytes' => 130.0, 'get of 10 KB' => 350.0];
const TIMES_REDIS = 500.0;
const FORMAT = "%-34s %-14s %12.1f %12.1f %8.2f %7.2f  %s\n";

$isShort = (bool) getenv('LYGER_BENCH_SHORT');
$sampleMs = $isShort ? 15.0 : 200.0;
$wanted = static fn (string $case): bool => str_contains($case, (string) getenv('LYGER_BENCH_CASES'));
$records = [];

/** Nanoseconds a time: $work is told how often, and loops itself. */
function sample(Closure $work, float $ms): array
{
    for ($times = 100; ($took = elapsed($work, $times)) < $ms * 1e6 / 4; $times *= 2) {
    }
    return ['wall' => elapsed($work, $times * 2) / ($times * 2)];
}

function elapsed(Closure $work, int $times): float
{
    $start = hrtime(true);
    $work($times);
    return (float) (hrtime(true) - $start);
}

/** Lyger and a peer by turns. */
$alternate = static function (string $case, Closure $ours, string $peer, Closure $theirs) use ($sampleMs, &$records): array {
    $runs = [[], []];
    for ($round = 0; $round < ROUNDS; $round++) {
        foreach ($round % 2 === 0 ? [0, 1] : [1, 0] as $who) {
            $runs[$who][] = sample($who === 0 ? $ours : $theirs, $sampleMs);
        }
    }
    $record = [
        'case' => "PHP: $case", 'subject' => 'lyger', 'peer' => $peer, 'metric' => 'wall', 'unit' => 'ns an operation',
        'placement' => 'one process',
    ];
    $records[] = $record += compare($runs[0], $runs[1], 'wall');
    printf(FORMAT, $case, $peer, $record['subject_median'], $record['peer_median'], $record['ratio'], $record['spread'], '');
    return $runs;
};
$mark = static function (string $case, string $name, array $ours, array $most) use (&$records): void {
    $figures = compare($ours, $most, 'wall');
    $records[] = [
        'case' => "PHP: $case", 'subject' => 'lyger', 'peer' => 'mark', 'metric' => 'wall', 'unit' => 'ns an operation',
        'placement' => 'one process',
    ] + $figures;
    $kept = $figures['ratio'] >= 1.0 ? 'kept' : 'MISSED';
    printf(FORMAT, $case, $name, $figures['subject_median'], $figures['peer_median'], $figures['ratio'], $figures['spread'], $kept);
};

// Read again and again, a value is answered with a copy in PHP (docs/cache.md). Of so many keys in turn there are none.
const OTHERS = 20_000;

$engine = Engine::getInstance();
$cache = Store::default();
$server = new Lyger\Tests\Support\RedisServer();
$redis = new Redis();
$redis->connect($server->socket);
printf("%-34s %-14s %12s %12s %8s %7s\n", 'case', 'peer', 'lyger', 'peer', 'ratio', 'spread');

foreach (['100 bytes' => 100, '10 KB' => 10_000] as $size => $bytes) {
    $value = str_repeat('x', $bytes);
    $engine->cacheSet(KEY, $value);
    $redis->set(KEY, $value);
    $array = [KEY => $value];
    if (function_exists('apcu_store')) {
        apcu_store(KEY, $value);
    }
    $loops = [
        'engine get' => static function (int $times) use ($engine): void {
            while ($times-- > 0) {
                $engine->cacheFind(KEY);
            }
        },
        'store get' => static function (int $times) use ($cache): void {
            while ($times-- > 0) {
                $cache->get(KEY);
            }
        },
        'engine set' => static function (int $times) use ($engine, $value): void {
            while ($times-- > 0) {
                $engine->cacheSet(KEY, $value);
            }
        },
        'store set' => static function (int $times) use ($cache, $value): void {
            while ($times-- > 0) {
                $cache->set(KEY, $value);
            }
        },
        'array get' => static function (int $times) use ($array): void {
            while ($times-- > 0) {
                $found = $array[KEY] ?? null;
            }
        },
        'array set' => static function (int $times) use ($value): void {
            $array = [];
            while ($times-- > 0) {
                $array[KEY] = $value;
            }
        },
        'apcu get' => static function (int $times): void {
            while ($times-- > 0) {
                apcu_fetch(KEY);
            }
        },
        'apcu set' => static function (int $times) use ($value): void {
            while ($times-- > 0) {
                apcu_store(KEY, $value);
            }
        },
        'redis get' => static function (int $times) use ($redis): void {
            while ($times-- > 0) {
                $redis->get(KEY);
            }
        },
        'redis set' => static function (int $times) use ($redis, $value): void {
            while ($times-- > 0) {
                $redis->set(KEY, $value);
            }
        },
    ];
    foreach (['get', 'set'] as $operation) {
        $case = "$operation of $size";
        if (!$wanted($case)) {
            continue;
        }
        foreach (['array' => 'PHP array', 'apcu' => 'APCu', 'redis' => 'ext-redis'] as $peer => $name) {
            if ($peer === 'apcu' && !(function_exists('apcu_enabled') && apcu_enabled())) {
                echo "$case: APCu is absent\n";
                continue;
            }
            [$ours, $theirs] = $alternate($case, $loops["engine $operation"], $name, $loops["$peer $operation"]);
        }
        $alternate("$case, Store", $loops["store $operation"], 'engine alone', $loops["engine $operation"]);
        if (isset(MARKS[$case])) {
            $mark($case, 'mark', $ours, array_fill(0, ROUNDS, ['wall' => MARKS[$case]]));
        }
        if ($case === 'get of 100 bytes') {
            $most = array_map(static fn (array $run): array => ['wall' => $run['wall'] / TIMES_REDIS], $theirs);
            $mark($case, 'Redis / 500', $ours, $most);
        }
    }
}

if ($wanted('get of 100 bytes, many keys') && function_exists('apcu_enabled') && apcu_enabled()) {
    $keys = array_map(static fn (int $number): string => "other.$number", range(1, OTHERS));
    shuffle($keys);
    foreach ($keys as $key) {
        $engine->cacheSet($key, str_repeat('x', 100));
        apcu_store($key, str_repeat('x', 100));
    }
    $ours = static function (int $times) use ($engine, $keys): void {
        while ($times-- > 0) {
            $engine->cacheFind($keys[$times % OTHERS]);
        }
    };
    $theirs = static function (int $times) use ($keys): void {
        while ($times-- > 0) {
            apcu_fetch($keys[$times % OTHERS]);
        }
    };
    $alternate('get of 100 bytes, many keys', $ours, 'APCu', $theirs);
}

if ($wanted('two workers at one hot key')) {
    $folder = scratchFolder();
    $rawr = dirname(__DIR__, 2) . '/php/bin/rawr';
    $command = [PHP_BINARY, $rawr, 'serve', '--app=' . __DIR__ . '/app', '--port=0', '--workers=2'];
    $fleet = proc_open($command, [1 => ['file', "$folder/out", 'w'], 2 => ['file', "$folder/err", 'w']], $pipes);
    register_shutdown_function(static function () use ($fleet): void {
        proc_terminate($fleet);
        proc_close($fleet);
    });
    for ($until = microtime(true) + 30; preg_match('~http://([^ /\n]+)~', (string) file_get_contents("$folder/out"), $at) !== 1;) {
        microtime(true) < $until || exit((string) file_get_contents("$folder/err"));
        usleep(10_000);
    }
    $begin = static function (int $ms) use ($at): mixed {
        $socket = stream_socket_client("tcp://$at[1]");
        fwrite($socket, "GET /hammer/$ms HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        return $socket;
    };
    $end = static function (mixed $socket): array {
        [, $body] = explode("\r\n\r\n", (string) stream_get_contents($socket), 2);
        return json_decode($body, true, 4, JSON_THROW_ON_ERROR);
    };
    $runs = [[], []];
    for ($round = 0; $round < ROUNDS; $round++) {
        $runs[1][] = ['wall' => $end($begin((int) $sampleMs))['per_second'] / 1e6];
        $both = array_map($end, [$begin((int) $sampleMs), $begin((int) $sampleMs)]);
        if ($both[0]['pid'] === $both[1]['pid']) {
            exit("one worker answered both requests\n");
        }
        $runs[0][] = ['wall' => array_sum(array_column($both, 'per_second')) / 1e6];
    }
    $figures = compare($runs[0], $runs[1], 'wall', true);
    $records[] = [
        'case' => 'PHP: two workers at one hot key', 'subject' => 'two workers', 'peer' => 'one worker', 'metric' => 'wall',
        'unit' => 'million operations a second', 'placement' => 'a fleet',
    ] + $figures;
    $kept = $figures['ratio'] >= 1.0 ? 'no collapse' : 'COLLAPSE';
    printf(FORMAT, 'two workers at one hot key', 'one worker', ...[...array_values(array_slice($figures, 1)), $kept]);
}

if (!$isShort) {
    // Of the part that is written in Rust, which has just run.
    $table = @file_get_contents(dirname(__DIR__, 2) . '/target/bench/cache.json');
    $table = $table === false ? [] : json_decode($table, true, 512, JSON_THROW_ON_ERROR);
    $ofRust = array_filter($table, static fn (array $record): bool => !str_starts_with($record['case'], 'PHP: '));
    writeFigures('cache', [...array_values($ofRust), ...$records]);
}
