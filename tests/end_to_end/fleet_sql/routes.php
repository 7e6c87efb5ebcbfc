<?php

declare(strict_types=1);

use Lyger\Async;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Exception\LygerException;
use Lyger\Http\Response;
use Lyger\Routing\Route;
use Lyger\Vector\Index;
use Lyger\Vector\Metric;

use function Lyger\async;
use function Lyger\await;

Route::get('/boot', fn () => Response::json($GLOBALS['booted'] ?? null));
Route::get('/case/{name}/{number}', fn (string $name, string $number) => Response::text(outcome($name, (int) $number)));
Route::get('/say/{name}/{text}', fn (string $name, string $text) => Response::text(
    Db::connect(dsn($name))->query('SELECT ? AS said', [$text])[0]['said'],
));

// Says on stderr who it is and then waits in the database; afterwards what became of it, to nobody perhaps.
$wait = function (string $name, string $seconds) {
    $sql = $name === 'mysql' ? "SELECT SLEEP($seconds) AS n" : "SELECT 1 AS n FROM pg_sleep($seconds)";
    fwrite(STDERR, 'waiting ' . getmypid() . "\n");
    try {
        $what = json_encode(Db::connect(dsn($name))->query($sql));
    } catch (LygerException $exception) {
        $what = $exception::class . ' ' . $exception->sqlstate();
    }
    fwrite(STDERR, 'waited ' . getmypid() . " $what\n");
    return Response::text((string) $what);
};
Route::get('/wait/{name}/{seconds}', $wait);
Route::post('/wait/{name}/{seconds}', $wait);

// The same, but the front waits: the worker has answered.
Route::get('/answer/postgres/{seconds}', fn (string $seconds) => Db::connect(dsn('postgres'))->respond(
    "SELECT 1 AS n FROM pg_sleep($seconds)",
));

// A statement of so many bytes, and a value and a result of almost as many.
Route::get('/long/{name}/{bytes}', function (string $name, string $bytes) {
    $db = Db::connect(dsn($name));
    $start = "SELECT LENGTH('";
    $end = "') AS n";
    $inside = (int) $bytes - strlen($start . $end);
    $found = $db->query($start . str_repeat('y', $inside) . $end)[0]['n'];
    if ($found !== $inside) {
        return Response::text("the statement had $found instead of $inside bytes");
    }
    $text = substr(str_repeat(hash('sha512', random_bytes(8)) . "\u{fc}\n\0", intdiv((int) $bytes, 130)), 0, -1);
    $text = $name === 'postgres' ? str_replace("\0", '0', $text) : $text;
    $rows = $db->query($name === 'postgres' ? 'SELECT ?::text AS t, ?::bytea AS b' : 'SELECT ? AS t, ? AS b', [
        substr($text, 0, intdiv(strlen($text), 2)),
        new Bytes(substr($text, intdiv(strlen($text), 2))),
    ]);
    if ($rows[0]['t'] . $rows[0]['b'] !== $text) {
        return Response::text('a value came back as another');
    }
    $series = $name === 'postgres' ? 'generate_series(1, 16384) n' : '(SELECT seq AS n FROM seq_1_to_16384) s';
    $rows = $db->query("SELECT n, REPEAT('z', 1024) AS t FROM $series ORDER BY n");
    foreach ($rows as $at => $row) {
        if ($row['n'] !== $at + 1 || strlen($row['t']) !== 1024) {
            return Response::text("row $at is another");
        }
    }
    return Response::text(count($rows) === 16_384 ? 'as it should be' : count($rows) . ' rows');
});

/** A statement of so many rows, each of some two hundred bytes; `$also` is one more column, of the row's number `n`. */
function series(string $name, int $rows, string $also = 'n'): string
{
    $from = match ($name) {
        'postgres' => "generate_series(1, $rows) n",
        'mysql' => "(SELECT seq AS n FROM seq_1_to_$rows) s",
        default => "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT $rows) SELECT n FROM s) s",
    };
    $text = $name === 'file' ? "printf('%0200d', n)" : 'LPAD(CAST(n AS CHAR(200)), 200, \'0\')';
    $text = $name === 'postgres' ? "LPAD(n::text, 200, '0')" : $text;
    return "SELECT n, $text AS t, $also AS also FROM $from";
}

// Rows that the front sends while the worker is free.
Route::get('/rows/{name}/{rows}', fn (string $name, int $rows) => Db::connect(dsn($name))->respond(series($name, $rows)));
// The same, of which one fails.
Route::get('/broken/{name}/{row}', fn (string $name, int $row) => Db::connect(dsn($name))->respond(series(
    $name,
    300_000,
    match ($name) {
        'postgres' => "1 / (n - $row)",
        'mysql' => "EXP(IF(n = $row, 1000, 1))",
        default => "CASE n WHEN $row THEN abs(-9223372036854775807 - 1) END",
    },
)));
Route::get('/keyed/{name}/{rows}', fn (string $name, int $rows) => Db::connect(dsn($name))
    ->respond(series($name, $rows))
    ->keyedBy('n'));
Route::get('/hello', fn () => Response::text('hello'));

// A transaction in a handler: how it ends is asked for. The table has one column, n.
Route::post('/transaction/{name}/{table}/{end}', function (string $name, string $table, string $end) {
    $db = Db::connect(dsn($name));
    $id = $name === 'mysql' ? 'CONNECTION_ID()' : 'pg_backend_pid()';
    $db->execute('BEGIN');
    $connections = [];
    for ($n = 1; $n <= 3; $n++) {
        $db->execute("INSERT INTO $table VALUES (?)", [$n]);
        $connections[] = $db->query("SELECT $id AS id")[0]['id'];
    }
    if (count(array_unique($connections)) !== 1) {
        return Response::text('several connections');
    }
    switch ($end) {
        case 'commit':
            $db->execute('COMMIT');
            break;
        case 'killed':
            fwrite(STDERR, "open $name " . getmypid() . "\n");
            sleep(60);
            break;
        case 'respond':
            // Nothing is committed, and yet the answer sees it.
            return $db->respond("SELECT count(*) AS n FROM $table");
    }
    return Response::text((string) $connections[0]);
});

// Leaves settings behind, or tells what it finds.
Route::post('/settings/{name}', function (string $name) {
    Db::connect(dsn($name))->execute($name === 'mysql' ? "SET time_zone = '+09:00'" : "SET TIME ZONE 'Asia/Tokyo'");
    return Response::text('set');
});
Route::get('/settings/{name}', function (string $name) {
    $sql = $name === 'mysql' ? 'SELECT @@time_zone AS zone' : "SELECT current_setting('TimeZone') AS zone";
    return Response::text(Db::connect(dsn($name))->query($sql)[0]['zone']);
});

$pause = static fn (string $name, string $seconds): string => $name === 'mysql'
    ? "SELECT SLEEP($seconds) AS n"
    : "SELECT 0 AS n FROM pg_sleep($seconds)";

// One statement that takes so long.
Route::get('/pause/{name}/{seconds}', fn (string $name, string $seconds) => Response::text(
    (string) Db::connect(dsn($name))->value($pause($name, $seconds)),
));

// So many at once, and how long they take together.
Route::get('/fibers/{name}/{count}/{seconds}', function (string $name, int $count, string $seconds) use ($pause) {
    $db = Db::connect(dsn($name));
    $began = microtime(true);
    $all = [];
    for ($n = 0; $n < $count; $n++) {
        $all["k$n"] = async(fn () => [$n, $db->value($pause($name, $seconds))]);
    }
    $values = await($all);
    $took = microtime(true) - $began;
    $isRight = array_keys($values) === array_keys($all) && array_column($values, 0) === range(0, $count - 1);
    return Response::text(($isRight ? 'right ' : 'wrong ') . round($took * 1000));
});

// One that is not waited for to its end.
Route::get('/late/{name}', function (string $name) use ($pause) {
    $db = Db::connect(dsn($name));
    try {
        await(async(fn () => $db->value($pause($name, '20'))), 0.2);
        return Response::text('it ended');
    } catch (LygerException $exception) {
        return Response::text($exception::class);
    }
});

// The first failure ends the others.
Route::get('/failing/{name}', function (string $name) use ($pause) {
    $db = Db::connect(dsn($name));
    try {
        await([async(fn () => $db->value($pause($name, '20'))), async(fn () => $db->query('SELECT nobody FROM nowhere'))]);
        return Response::text('it ended');
    } catch (LygerException $exception) {
        return Response::text($exception::class);
    }
});

// Many that take long; says on stderr who it is, and what became of them.
Route::post('/hold/{name}/{count}', function (string $name, int $count) use ($pause) {
    $db = Db::connect(dsn($name));
    $all = [];
    for ($n = 0; $n < $count; $n++) {
        $all[] = async(function () use ($db, $name, $pause) {
            try {
                return (string) $db->value($pause($name, '30'));
            } catch (LygerException $exception) {
                return $exception::class . ' ' . $exception->sqlstate();
            }
        });
    }
    fwrite(STDERR, "holding $name " . getmypid() . "\n");
    $outcomes = json_encode(array_count_values(await($all)));
    fwrite(STDERR, "held $name $outcomes\n");
    return Response::text((string) $outcomes);
});

// Transactions side by side, each of which sees its own rows alone; the even ones are rolled back.
Route::post('/strands/{name}/{table}', function (string $name, string $table) use ($pause) {
    $db = Db::connect(dsn($name));
    $db->begin();
    $db->execute("INSERT INTO $table VALUES (0)");
    [$all, $have] = [[], 0];
    foreach ([1, 2, 3] as $n) {
        $all[$n] = async(function () use ($db, $name, $table, $pause, $n, &$have) {
            $db->begin();
            $db->execute("INSERT INTO $table VALUES (?)", [$n]);
            $db->value($pause($name, '0.05'));
            $seen = $db->column("SELECT n FROM $table");
            for ($have++; $have < 3;) {
                Async::suspend(); // until all have read
            }
            $n % 2 === 1 ? $db->commit() : $db->rollback();
            return $seen;
        });
    }
    $left = async(function () use ($db, $table) {
        $db->begin();
        $db->execute("INSERT INTO $table VALUES (4)"); // nobody commits
    });
    $seen = await($all);
    await($left);
    $seen[] = $db->inTransaction();
    $db->commit();
    return Response::json($seen);
});

// Rows of several streams, chunk by chunk, in turns.
Route::get('/streams/{name}', function (string $name) {
    $db = Db::connect(dsn($name));
    $count = static function () use ($db, $name): int {
        $sum = 0;
        foreach ($db->stream(series($name, 20_000)) as $row) {
            $sum += strlen($row['t']);
        }
        return $sum;
    };
    return Response::json(await([async($count), async($count), async($count)]));
});

// An index filled by a statement of so many rows, of which one may hold no vector: how many it had, and the ids of the best two.
Route::get('/vectors/{name}/{rows}/{wrong}', function (string $name, string $rows, string $wrong) {
    $number = $name === 'postgres' ? 'n::text' : 'CAST(n AS CHAR)';
    $number = $name === 'file' ? 'CAST(n AS TEXT)' : $number;
    $vector = $name === 'mysql' ? "CONCAT('[1,', $number, ']')" : "'[1,' || $number || ']'";
    $also = "CASE WHEN n = $wrong THEN 'none' ELSE $vector END";
    $index = Index::of(2);
    try {
        $sql = 'SELECT n, also FROM (' . series($name, (int) $rows, $also) . ') v';
        $count = $index->addFrom(Db::connect(dsn($name)), $sql);
        return Response::text("$count rows, " . implode(' and ', $index->search([0, 1], 2, Metric::Dot)->ids()));
    } catch (LygerException $exception) {
        return Response::text(count($index) . ' rows, ' . $exception->getMessage());
    }
});
