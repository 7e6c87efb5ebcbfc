<?php

declare(strict_types=1);

use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Exception\LygerException;
use Lyger\Http\Response;
use Lyger\Routing\Route;

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
