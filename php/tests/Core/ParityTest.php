<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Core\Backend;
use Lyger\Core\Engine;
use Lyger\Core\Library;
use Lyger\Core\NativeEngine;
use Lyger\Core\PhpEngine;
use Lyger\Database\Bytes;
use Lyger\Exception\LygerException;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Both engines in one process, on the same statements: equal bytes, equal rows, equal kinds of errors. */
final class ParityTest extends TestCase
{
    private NativeEngine $native;
    private PhpEngine $php;

    protected function setUp(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('needs the library');
        }
        $this->native = NativeEngine::load(new Library());
        $this->php = new PhpEngine('a test');
    }

    public function statements(): array
    {
        $statements = [
            'sqlite' => [
                ["SELECT 1 AS i, -9223372036854775807 AS big, 1.5 AS f, 'te\"xt' AS t, x'00ff' AS b, NULL AS n"],
                ["SELECT column1 AS m FROM (VALUES (1), ('x'), (2.5), (x'01'), (NULL))"],
                ["SELECT column1 AS m FROM (VALUES (NULL), (NULL), (2.5), (-0.0), (1e300), (9e999))"],
                [
                    'SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f',
                    [null, true, 7, 0.1, "ü\0\n\u{2028}", new Bytes("\xff")],
                ],
                ['SELECT ?2 AS a, ?1 AS b, ?2 AS c', [1.5, 'x']],
                ['SELECT 1 AS "5", 2 AS "a b", 3 AS "5", 4 AS "ü\"\\"'],
                ['SELECT 1 AS a WHERE 0'],
                ["SELECT CAST(x'ff61' AS TEXT) AS t"],
                ['CREATE TABLE IF NOT EXISTS nothing (a)'],
                ['SELEC'],
                ['SELECT * FROM missing_table'],
                ['SELECT 1; SELECT 2'],
                ['BEGIN'],
                ['SELECT ?', []],
                ['SELECT ?', [NAN]],
            ],
            'postgres' => [
                ["SELECT 1::int2 a, 2::int4 b, 9223372036854775807 c, 1::oid d, true e, false f, NULL::int g"],
                ["SELECT 0.1::float4 a, 1e-6::float4 b, 3.4e38::float4 c, 'NaN'::float4 d, 16777216::float4 e, 1.17549435e-38::float4 f"],
                ["SELECT 0.1::float8 a, 'Infinity'::float8 b, 'NaN'::float8 c, 1e16::float8 d, -0.0::float8 e, 5e-324::float8 f"],
                ["SELECT 1.50::numeric a, -0.0001::numeric b, 'NaN'::numeric c, 1e30::numeric d, 0::numeric e"],
                ["SELECT 'a'::\"char\" a, 'n'::name b, 't'::text c, 'c'::char(3) d, 'v'::varchar e, E'q\"\\\\\\n\\x01/\\u2028' f"],
                ["SELECT '\\x00ff'::bytea a, ''::bytea b, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid c"],
                ["SELECT '{\"a\": [1,  2]}'::json a, '{\"b\":1,\"a\":[1,  2]}'::jsonb b, 'null'::json c"],
                ["SELECT '2024-01-02 03:04:05.678901+02'::timestamptz a, '2024-01-02 03:04:05'::timestamp b, '2024-01-02'::date c"],
                ["SELECT '03:04:05.50'::time a, '24:00:00'::time b, 'infinity'::timestamptz c, '-infinity'::date d"],
                ["SELECT '0044-03-15 BC'::date a, '0044-03-15 10:00:00 BC'::timestamp b, '12024-01-01'::date c"],
                ['SELECT ?::int4 a, ?::text b, ?::float8 c, ?::bool d, ?::bytea e, ?::numeric f, ?::timestamptz g', [
                    7, "ü'", 1.5e-7, true, new Bytes("\0\xff"), '12.340', '2024-01-02T03:04:05Z',
                ]],
                ['SELECT $2::int a, $1::text b, $2::int c', ['x', 5]],
                ["SELECT '{\"k\":1}'::jsonb ?? 'k' AS has, '?' AS q, \$\$?\$\$ AS d -- ?"],
                ["SELECT '1.2.3.4'::inet a"],
                ['SELECT * FROM missing_table'],
                ['SELEC'],
                ['SELECT 1/0'],
                ['SELECT ?, $1', ['x']],
                ['BEGIN'],
            ],
            'mysql' => [
                ['SELECT 1 a, -5 b, 9223372036854775807 c, CAST(18446744073709551615 AS UNSIGNED) d, TRUE e, NULL f'],
                ['SELECT 1.50 a, 1e16 b, 0.1e0 c, 5e-324 d, -0.0e0 e, 1/3 f, 100e0 g'],
                ["SELECT 'te\"xt\\\\ü' a, '' b, CAST('bin' AS BINARY) c, x'00ff' d, CAST(5 AS CHAR) e"],
                ["SELECT CAST('2024-01-02 03:04:05.5' AS DATETIME(6)) a, CAST('2024-01-02' AS DATE) b, CAST('-26:04:05.5' AS TIME(3)) c"],
                ['SELECT ? a, ? b, ? c, ? d, ? e', [7, "ü'", 1.5e-7, true, null]],
                ['SELECT * FROM missing_table'],
                ['SELEC'],
                ["SELECT POINT(1, 2) AS p"],
                ['SELECT ?', []],
                ['SELECT 1; SELECT 2'],
                ['START TRANSACTION'],
            ],
        ];
        $cases = [];
        foreach (Databases::all() as $name => [$dsn]) {
            foreach ($statements[$name] as $statement) {
                $cases["$name: {$statement[0]}"] = [$dsn, $statement[0], $statement[1] ?? []];
            }
        }
        return $cases;
    }

    /** @dataProvider statements */
    public function test_both_engines_give_the_same(string $dsn, string $sql, array $params): void
    {
        self::assertSame(
            self::outcome($this->native, $dsn, $sql, $params),
            self::outcome($this->php, $dsn, $sql, $params),
        );
    }

    public function test_a_table_of_every_mysql_type_is_the_same(): void
    {
        $dsn = (string) getenv('LYGER_TEST_MYSQL');
        if ($dsn === '') {
            self::markTestSkipped('needs MySQL: tests/support/with-services');
        }
        $table = Databases::table();
        self::do($this->native, $dsn, "CREATE TABLE $table (id INT AUTO_INCREMENT PRIMARY KEY, u BIGINT UNSIGNED, ti TINYINT,
            tu TINYINT UNSIGNED, me MEDIUMINT, f FLOAT, d DOUBLE, n DECIMAL(20,6), c CHAR(3), v VARCHAR(10), t TEXT, b BLOB,
            vb VARBINARY(4), dt DATETIME(6), ts TIMESTAMP NULL, da DATE, tm TIME(3), y YEAR, e ENUM('a','b'), s SET(
                'x',
                'y',
            ),
            bo BOOL, j JSON, ub VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)");
        self::do($this->php, $dsn, "INSERT INTO $table VALUES (1, 18446744073709551615, -128, 255, -5, 1.5, ?, 1.5, 'c', 'ä', ?, ?,
            'ab', '2024-01-02 03:04:05.5', '2024-01-02 03:04:05', '2024-01-02', '-26:04:05.5', 2024, 'b', 'x,y', 2, '[1]', 'ü'),
            (2, 0, 0, 0, 0, 0, 0, 0, '', '', '', '', '', '2024-01-02 03:04:05', '2024-01-02', '1000-01-01', '00:00:00', 1901, 'a', '',
            0, '{}', '')", [0.1, "tü\0", new Bytes("\0\xff")]);
        self::do($this->native, $dsn, "INSERT INTO $table (id) VALUES (3)");
        $outcome = self::outcome($this->native, $dsn, "SELECT * FROM $table", []);
        self::assertSame($outcome, self::outcome($this->php, $dsn, "SELECT * FROM $table", []));
        self::assertSame(3, $outcome['rows']);
    }

    public function test_affected_rows_and_ids_are_the_same(): void
    {
        foreach (Databases::all() as [$dsn]) {
            $outcomes = [];
            foreach ([$this->native, $this->php] as $engine) {
                $table = Databases::table();
                $key = [
                    'sqlite' => 'INTEGER PRIMARY KEY', 'postgres' => 'SERIAL PRIMARY KEY', 'mysql' => 'INT AUTO_INCREMENT PRIMARY KEY',
                ][Databases::name($dsn)];
                $statements = [
                    "CREATE TABLE T (id $key, n INT)", 'INSERT INTO T (n) VALUES (1), (2), (3)', 'UPDATE T SET n = 3 WHERE n > 1',
                    'SELECT n FROM T ORDER BY id', 'DELETE FROM T WHERE id = 99', 'INSERT INTO T (n) VALUES (4) RETURNING id, n',
                    'DELETE FROM T',
                ];
                foreach ($statements as $sql) {
                    $outcome = self::outcome($engine, $dsn, preg_replace('/\bT\b/', $table, $sql), []);
                    $outcomes[$engine->name()][$sql] = $outcome;
                }
            }
            self::assertSame($outcomes['native'], $outcomes['php'], Databases::name($dsn));
        }
    }

    private static function do(Backend $engine, string $dsn, string $sql, array $params = []): void
    {
        $engine->free($engine->execute($dsn, $sql, $params));
    }

    /** @return array<string, mixed> */
    private static function outcome(Backend $engine, string $dsn, string $sql, array $params): array
    {
        try {
            $result = $engine->execute($dsn, $sql, $params);
        } catch (LygerException $exception) {
            return ['exception' => $exception::class, 'sqlstate' => $exception->sqlstate()];
        }
        $info = $engine->describe($result);
        // As text: NAN is not equal to itself.
        $values = serialize($engine->rows($result));
        $json = $engine->json($result);
        $engine->free($result);
        return ['json' => $json, 'values' => $values] + (array) $info;
    }
}
