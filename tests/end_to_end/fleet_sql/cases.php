<?php

/** Statements whose outcome must not depend on whose connection carries them out. */

declare(strict_types=1);

use Lyger\Database\Bytes;
use Lyger\Database\Db;

const CASES = [
    'postgres' => [
        ["SELECT 1::int2 a, 2::int4 b, '-9223372036854775808'::int8 c, NULL::int4 d"],
        ["SELECT 0.1::float4 a, 0.1::float8 b, 'NaN'::float8 c, '-Infinity'::float4 d, NULL::float8 e"],
        ["SELECT true a, false b, NULL::bool c, 1.50::numeric d, '12345678901234567890.5'::numeric e"],
        ["SELECT 'ü \"🦀\"' a, ''::text b, NULL::text c, '\\x00ff'::bytea d, ''::bytea e"],
        ["SELECT '2024-02-29'::date a, '03:04:05.5'::time b, '2024-01-02 03:04:05'::timestamp c, now() IS NULL d"],
        ["SELECT '2024-01-02 03:04:05+00'::timestamptz a, '0044-03-15 BC'::date b, 'infinity'::timestamp c"],
        ["SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid a, '{\"a\": [1]}'::jsonb b, '[1, 2]'::json c"],
        ["SELECT n, CASE WHEN n % 3 = 0 THEN NULL ELSE repeat('x', n) END t FROM generate_series(1, 2000) n"],
        ["SELECT repeat('long', 200000) a, decode(repeat('00ff', 300000), 'hex') b"],
        ["SELECT 1 a WHERE false"],
        ["SELECT 1 a, 2 a"],
        ["SELECT"],
        ["CREATE TABLE IF NOT EXISTS fleet_cases (id serial, t text)"],
        ["INSERT INTO fleet_cases (t) VALUES ('a'), ('b')"],
        ["UPDATE fleet_cases SET t = 'c' WHERE t = ?", ['nobody']],
        ["DELETE FROM fleet_cases"],
        ["SELECT ?::int a, ?::text b, ?::bool c, ?::float8 d, ?::bytea e", [7, "ü\n", true, 0.5, 'bytes']],
        ["SELECT ?::text a", [null]],
        ['SELECT :b::int a, :a::text b, :b + 1 c', ['a' => 'x', 'b' => 5]],
        ['SELECT 1 IN (?) a, 2 IN (:l) b', ['l' => [1, 2]]],
        ['SELECT 1 IN (:none) a, 2 IN (:l) b', ['l' => [1, 2], 'none' => []]],
        ["SELEC 1"],
        ["SELECT * FROM nowhere"],
        ["SELECT 1/0"],
        ["SELECT ?::int", ['x']],
        ["SELECT ?::int, ?::int", [1]],
        ["SELECT 1", [1]],
        ["SELECT '{1,2}'::int[] AS list"],
        [" -- nothing"],
        ["COPY fleet_cases FROM STDIN"],
        ["SELECT pg_sleep(30)"],
        ["SELECT repeat('x', 1000000) FROM generate_series(1, 80)"],
        ["SELECT 1 FROM pg_terminate_backend(pg_backend_pid())"],
        ["SELECT 'after' a"],
        // They stay with a process of its own, and end with a request.
        ["BEGIN"],
        ["SET search_path = x"],
    ],
    'mysql' => [
        ["SELECT -1 a, 18446744073709551615 b, CAST(NULL AS SIGNED) c, 1.50 d, 0.1e0 e"],
        ["SELECT 'ü \"🦀\"' a, '' b, NULL c, x'00ff' d, CAST('2024-02-29' AS DATE) e, CAST('03:04:05' AS TIME) f"],
        ["SELECT CAST('2024-01-02 03:04:05' AS DATETIME) a, TRUE b, JSON_ARRAY(1, 2) c"],
        ["SELECT seq n, IF(seq % 3 = 0, NULL, REPEAT('x', seq)) t FROM seq_1_to_2000"],
        ["SELECT REPEAT('long', 200000) a, REPEAT(x'00ff', 300000) b"],
        ["SELECT 1 a FROM DUAL WHERE FALSE"],
        ["DROP TABLE IF EXISTS fleet_cases"],
        ["CREATE TABLE fleet_cases (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT, f FLOAT, y YEAR, b BIGINT UNSIGNED)"],
        ["INSERT INTO fleet_cases (t, f, y, b) VALUES ('a', 0.1, 2024, 18446744073709551615), (NULL, NULL, NULL, 0)"],
        ["SELECT * FROM fleet_cases"],
        ["INSERT INTO fleet_cases (id, t) VALUES (1, 'again')"],
        ["UPDATE fleet_cases SET t = 'a' WHERE id = ?", [1]],
        ["DELETE FROM fleet_cases"],
        ["SELECT ? a, ? b, ? c, ? d", [7, "ü\n", 0.5, null]],
        ['SELECT 1 IN (:none) a, 2 IN (:l) b, :l', ['l' => [1, 2], 'none' => []]],
        ["SELEC 1"],
        ["SELECT * FROM nowhere"],
        ["SELECT ?, ?", [1]],
        ["SELECT POINT(1, 2) AS p"],
        ["SELECT SLEEP(30)"],
        ["KILL CONNECTION_ID()"],
        ["SELECT 'after' a"],
        ["BEGIN"],
        ["SELECT GET_LOCK('x', 1)"],
    ],
    // Nobody listens there, and nobody has this name.
    'nowhere' => [["SELECT 1"]],
    'stranger' => [["SELECT 1"]],
    'nonsense' => [["SELECT 1"]],
    'sqlite' => [["SELECT 1 a, 'x' b, NULL c"], ["SELEC 1"]],
];

function dsn(string $name): string
{
    $postgres = (string) getenv('FLEET_POSTGRES');
    return match ($name) {
        'postgres' => $postgres,
        'mysql' => (string) getenv('FLEET_MYSQL'),
        'nowhere' => 'postgres://u:secret@127.0.0.1:1/d',
        'stranger' => (string) preg_replace('~//[^@]*@~', '//stranger:secret@', $postgres),
        'nonsense' => 'oracle://u:secret@h/d',
        'sqlite' => 'sqlite::memory:',
        'file' => 'sqlite:' . getenv('FLEET_SQLITE'),
    };
}

/** Everything that PHP can see of a statement's outcome. */
function outcome(string $name, int $number): string
{
    [$sql, $params] = CASES[$name][$number] + [1 => []];
    $params = array_map(static fn (mixed $param): mixed => $param === 'bytes' ? new Bytes("\xff\0") : $param, $params);
    $see = static function (Closure $run): array {
        try {
            return [$run()];
        } catch (Lyger\Exception\LygerException $exception) {
            return [$exception::class, $exception->getMessage(), $exception->sqlstate(), $exception->value()];
        }
    };
    try {
        $db = Db::connect(dsn($name));
    } catch (Lyger\Exception\LygerException $exception) {
        return var_export([$exception::class, $exception->getMessage(), $exception->sqlstate()], true);
    }
    [$isRead, $isSlow] = [str_starts_with($sql, 'SELECT'), stripos($sql, 'sleep') !== false];
    $seen = [
        $see(static fn (): mixed => $isRead ? $db->query($sql, $params) : $db->execute($sql, $params)),
        $isRead && !$isSlow ? $see(static fn (): string => $db->json($sql, $params)) : null,
    ];
    // The exact bytes for the comparison, in hexadecimal or hashed; then something to read.
    $text = serialize($seen);
    if (strlen($text) > 10_000) {
        return strlen($text) . ' ' . hash('sha256', $text);
    }
    return bin2hex($text) . ' ' . preg_replace('/[^\x20-\x7e]+/', ' ', print_r($seen, true));
}
