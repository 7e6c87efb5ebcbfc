<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Database\Bytes;

/** Statements, with their parameters, that both engines must answer alike. */
final class Statements
{
    /** @return list<array{0: string, 1?: list<mixed>}> */
    public static function of(string $database): array
    {
        return match ($database) {
            'sqlite' => self::sqlite(),
            'postgres' => self::postgres(),
            'mysql' => self::mysql(),
        };
    }

    private static function sqlite(): array
    {
        return [
            ["SELECT 1 AS i, -9223372036854775807 AS big, 1.5 AS f, 'te\"xt' AS t, x'00ff' AS b, NULL AS n"],
            ["SELECT column1 AS m FROM (VALUES (1), ('x'), (2.5), (x'01'), (NULL))"],
            ['SELECT column1 AS m FROM (VALUES (NULL), (NULL), (2.5), (-0.0), (1e300), (9e999))'],
            ['SELECT ? AS a, ? AS b, ? AS c, ? AS d', [null, true, 7, 0.1]],
            ['SELECT ? AS a, ? AS b, ? AS c', ["ü\0\n\u{2028}", new Bytes("\xff"), INF]],
            ['SELECT ?2 AS a, ?1 AS b, ?2 AS c', [1.5, 'x']],
            ["SELECT :b AS b, :a AS a, :b + 1 AS c, ':a' AS d", ['a' => 'x', 'b' => 5.5]],
            ['SELECT 1 IN (?) AS a, 1 NOT IN (?) AS b, 2.5 IN (?) AS c', [[], [], [1, 2.5, null]]],
            ['SELECT :a, @b AS b, $c AS c, ?4 AS d', [1, 2.5, 'x', null]], ['SELECT :b, :a', ['a' => NAN, 'b' => 5]],
            ['SELECT :a', [1, 2]], ['SELECT :a, @b', ['a' => 1, 'b' => 2]], ['SELECT :a', ['a' => 1, 'b' => 2]],
            ['SELECT 1 AS "5", 2 AS "a b", 3 AS "5", 4 AS "ü\"\\"'],
            ['SELECT 1 AS a WHERE 0'],
            ["SELECT CAST(x'ff61' AS TEXT) AS t"],
            ['SELECT ? AS a', [-0.0]],
            ['-- c'], ['/* c */ ;'], ['/* open'], ['#c'],
            ['SELECT ?99999999999999999999 AS a', [1]],
            ['COPY t TO STDOUT'],
            ['CREATE TABLE IF NOT EXISTS nothing (a)'],
            ['SELEC'],
            [''],
            [" \n"],
            ["SELECT 1\0, 2"],
            ["SELECT '\xff'"],
            ['SELECT * FROM missing_table'],
            ['SELECT 1; SELECT 2'],
            ['SELECT ?', []],
            ['SELECT ?', [NAN]],
            ['SELECT abs(-9223372036854775808)'],
        ];
    }

    private static function postgres(): array
    {
        return [
            ['SELECT 1::int2 a, 2::int4 b, 9223372036854775807 c, 1::oid d, true e, false f, NULL::int g'],
            [''],
            ['SELECT ?::text AS a', ["a\0b"]],
            ["SELECT 0.1::float4 a, 1e-6::float4 b, 3.4e38::float4 c, 'NaN'::float4 d, 16777216::float4 e"],
            ["SELECT 1.17549435e-38::float4 a, -0.0::float4 b, '-Infinity'::float4 c, 1e13::float4 d, 1e-7::float4 e"],
            ["SELECT 0.1::float8 a, 'Infinity'::float8 b, 'NaN'::float8 c, 1e16::float8 d, 5e-324::float8 e"],
            ["SELECT 1.50::numeric a, -0.0001::numeric b, 'NaN'::numeric c, 1e30::numeric d, 0::numeric e"],
            ["SELECT '1.2.3.4'::inet a, ARRAY[1] b"],
            ["SELECT 'a'::\"char\" a, 'n'::name b, 't'::text c, 'c'::char(3) d, 'v'::varchar e"],
            ["SELECT E'q\"\\\\\\n\\x01/\\u2028' AS a, 'back\\slash' AS b, 'it''s' AS c"],
            ["SELECT '\\x00ff'::bytea a, ''::bytea b, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid c"],
            ["SELECT '{\"a\": [1,  2]}'::json a, '{\"b\":1,\"a\":[1,  2]}'::jsonb b, 'null'::json c"],
            ["SELECT '2024-01-02 03:04:05.678901+02'::timestamptz a, '2024-01-02 03:04:05'::timestamp b"],
            ["SELECT '2024-01-02'::date a, '03:04:05.50'::time b, '24:00:00'::time c"],
            ["SELECT 'infinity'::timestamptz a, '-infinity'::date b, 'infinity'::timestamp c"],
            ["SELECT '0044-03-15 BC'::date a, '0044-03-15 10:00:00 BC'::timestamp b, '12024-01-01'::date c"],
            ["SELECT '0044-03-15 10:00:00.5+00 BC'::timestamptz a"],
            ['SELECT ?::int4 a, ?::text b, ?::float8 c, ?::bool d', [7, "ü'", 1.5e-7, true]],
            ['SELECT ?::bytea a, ?::numeric b, ?::text c', [new Bytes("\0\xff"), '12.340', 1.0]],
            ['SELECT ?::timestamptz a, ?::date b, ?::uuid c', [
                '2024-01-02T03:04:05Z', '2024-01-02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
            ]],
            ['SELECT $2::int a, $1::text b, $2::int c', ['x', 5]],
            ['SELECT :b::int b, :a::text a, :b + 1 c, \':a\' d', ['a' => 'x', 'b' => 5]],
            ['SELECT :b::int b, :a::int a', ['a' => 'x', 'b' => 5]],
            ['SELECT 1 IN (?) a, 1 NOT IN (?) b, 2 IN (?) c', [[], [], [1, 2, null]]],
            ["SELECT array_to_string((ARRAY[5, 6, 7])[2:3], ',') a, array_to_string(t.a[1:n], ',') b "
                . 'FROM (SELECT ARRAY[1, 2] AS a, 1 AS n) t WHERE n = ?', [1]],
            ['SELECT ?::text', ["a\0b"]], ['SELECT :a, ?', ['a' => 1]], ['SELECT :a', [1]], ['SELECT :a', []],
            ['SELECT :a', ['a' => 1, 'b' => 2]], ['SELECT ?', [[]]],
            ["SELECT '{\"k\":1}'::jsonb ?? 'k' AS has, '?' AS q, \$\$?\$\$ AS d, \$x\$'\\?\$x\$ AS e -- ?"],
            ["SELECT ?::int AS a, \$\$:p1 ? it's\$\$ AS b, 'C:\\' AS c, E'\\'?' AS d", [1]],
            ['-- c'], ['/* /* c */ */ ;'],
            ['COPY (SELECT 1) TO STDOUT'], ['COPY pg_class FROM STDIN'], ['COPY (SELECT 1) TO STDOUT (FORMAT BINARY)'],
            ['SELECT ?::int a, ?::bigint b, ?::numeric c, ?::int2 d', [true, false, true, true]],
            ['SELECT ?::int a, ?::int b', [5.0, -7.0]],
            ['SELECT ?::int', [5.5]], ['SELECT ?::int', [NAN]], ['SELECT ?::int', ['x']], ['SELECT ?::int2', [70_000]],
            ['SELECT ?::int', ['99999999999']], ['SELECT ?::bigint', [1e300]], ['SELECT 1 LIMIT ?', ['x']],
            ['SELECT ?::float8', [true]], ['SELECT ?::float4', [1e300]], ['SELECT ?::bool', [2]],
            ['SELECT ?::bool', [1.0]],
            ['SELECT ?::date', ['x']], ['SELECT ?::time', ['25:00']], ['SELECT ?::timestamptz', [5]],
            ['SELECT ?::uuid', ['x']], ['SELECT ?::numeric', ['x']], ['SELECT ?::int', [new Bytes('1')]],
            ['SELECT ?::json', ['{x']], ['SELECT ?::text', [new Bytes("\xff")]],
            ["SELECT '{\"a\":1}'::jsonb ? 'a'"], ["SELECT '{\"a\":1}'::jsonb ?| ARRAY['a']"],
            ["SELECT '{\"a\":1}'::jsonb ??| ARRAY['a'] AS x"], ["SELECT '{\"a\":1}'::jsonb ? 'a', ?", [1]],
            ['SELECT $2', [1]], ['SELECT $2::int', [1, 2]], ['SELECT $0', [1]], ['SELECT ?9999999999', [1]],
            ["DO $$ BEGIN RAISE EXCEPTION USING ERRCODE='08006'; END $$"],
            ['SELECT * FROM missing_table'],
            ['SELEC'],
            ['SELECT 1/0'],
            ['SELECT ?, $1', ['x']],
            ['SELECT 1; SELECT 2'],
        ];
    }

    private static function mysql(): array
    {
        return [
            ['SELECT 1 a, -5 b, 9223372036854775807 c, CAST(18446744073709551615 AS UNSIGNED) d, TRUE e, NULL f'],
            [''],
            ['SELECT ? AS a', ["a\0b"]],
            ["SELECT :b b, :a a, :b + 1 c, ':a' d /*! , :a e */", ['a' => 'x', 'b' => 5]],
            ['SELECT 1 IN (?) a, 1 NOT IN (?) b, 2 IN (?) c', [[], [], [1, 2, null]]],
            ['SELECT :b, :a', ['a' => INF, 'b' => 5]], ['SELECT :a', [1]], ['SELECT :a', ['a' => 1, 'b' => 2]],
            ['SELECT 1.50 a, 1e16 b, 0.1e0 c, 5e-324 d, -0.0e0 e, 1/3 f, 100e0 g'],
            ["SELECT 'te\"xt\\\\ü' a, '' b, CAST('bin' AS BINARY) c, x'00ff' d, CAST(5 AS CHAR) e"],
            ["SELECT CAST('2024-01-02 03:04:05.5' AS DATETIME(6)) a, CAST('2024-01-02' AS DATE) b"],
            ["SELECT CAST('-26:04:05.5' AS TIME(3)) a, CAST('00:00:00' AS TIME) b, CAST('838:59:59' AS TIME) c"],
            ['SELECT ? a, ? b, ? c, ? d, ? e', [7, "ü'", 1.5e-7, true, null]],
            ['SELECT * FROM missing_table'],
            ['SELEC'],
            ['SELECT POINT(1, 2) AS p, 5 + 0 AS q, ? AS r', [null]],
            ['-- c'], ['/* c */ ;'], ['#c'], ['/*! SELECT 1 AS a */'], ['/*M! SELECT 1 AS a */'],
            ["SELECT CAST('0000-00-00' AS DATE) a"],
            ['SELECT ? IS NULL AS a, ? AS b', [new Bytes(''), new Bytes('')]],
            ["SIGNAL SQLSTATE '08006'"], ["SIGNAL SQLSTATE '45000'"], ['KILL CONNECTION_ID()'], ['SELECT 1 AS a'],
            ['SELECT ?', []],
            ['SELECT ?', [INF]],
            ['SELECT 1; SELECT 2'],
        ];
    }
}
