<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Core\Backend;
use Lyger\Database\Bytes;
use Lyger\Database\RowShape;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;
use Lyger\Tests\Support\BothEngines;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Both engines in one process, on the same statements: equal bytes, equal rows, equal kinds of errors. */
final class ParityTest extends TestCase
{
    use BothEngines;

    public function statements(): array
    {
        $cases = [];
        foreach (Databases::all() as $name => [$dsn]) {
            foreach (Statements::of($name) as $statement) {
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

    public function test_both_engines_describe_themselves_under_the_same_names(): void
    {
        self::assertSame(
            self::sorted(array_keys($this->native->systemInfo())),
            self::sorted(array_keys($this->php->systemInfo())),
        );
    }

    public function test_a_table_of_every_mysql_type_is_the_same(): void
    {
        $dsn = Databases::server('mysql');
        $table = Databases::table();
        self::do($this->native, $dsn, "CREATE TABLE $table (
            id INT AUTO_INCREMENT PRIMARY KEY, u BIGINT UNSIGNED, ti TINYINT, tu TINYINT UNSIGNED, me MEDIUMINT,
            f FLOAT,
            d DOUBLE, n DECIMAL(20,6), c CHAR(3), v VARCHAR(10), t TEXT, b BLOB, vb VARBINARY(4), dt DATETIME(6),
            ts TIMESTAMP NULL, da DATE, tm TIME(3), y YEAR, e ENUM('a','b'), s SET('x','y'), bo BOOL, j JSON,
            ub VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        )");
        self::do($this->php, $dsn, "INSERT INTO $table VALUES
            (1, 18446744073709551615, -128, 255, -5, 1.5, ?, 1.5, 'c', 'ä', ?, ?, 'ab', '2024-01-02 03:04:05.5',
             '2024-01-02 03:04:05', '2024-01-02', '-26:04:05.5', 2024, 'b', 'x,y', 2, '[1]', 'ü'),
            (2, 0, 0, 0, 0, 0, 0, 0, '', '', '', '', '', '2024-01-02 03:04:05', '2024-01-02', '1000-01-01', '00:00:00',
             1901, 'a', '', 0, '{}', '')", [0.1, "tü\0", new Bytes("\0\xff")]);
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
                    'sqlite' => 'INTEGER PRIMARY KEY',
                    'postgres' => 'SERIAL PRIMARY KEY',
                    'mysql' => 'INT AUTO_INCREMENT PRIMARY KEY',
                ][Databases::name($dsn)];
                $statements = [
                    "CREATE TABLE T (id $key, n INT)",
                    'INSERT INTO T (n) VALUES (1), (2), (3)',
                    'UPDATE T SET n = 3 WHERE n > 1',
                    'SELECT n FROM T ORDER BY id',
                    'DELETE FROM T WHERE id = 99',
                    'INSERT INTO T (n) VALUES (4) RETURNING id, n',
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

    /**
     * @param list<string> $names
     * @return list<string>
     */
    private static function sorted(array $names): array
    {
        sort($names);
        return $names;
    }

    private static function do(Backend $engine, string $dsn, string $sql, array $params = []): void
    {
        $engine->free($engine->execute($dsn, $sql, $params));
    }

    /** @return array<string, RowShape> */
    private static function shapes(): array
    {
        $shapes = ['list' => RowShape::list(), 'single' => RowShape::single(), 'envelope' => RowShape::envelope()];
        $shapes += ['paged' => RowShape::paged(3, 10), 'ndjson' => RowShape::ndjson(), 'csv' => RowShape::csv()];
        $shapes += ['arrays' => RowShape::arrays(), 'ASCII' => RowShape::envelope()->withFlags(0)];
        $html = JSON_HEX_TAG | JSON_HEX_AMP | JSON_HEX_APOS | JSON_HEX_QUOT;
        $shapes['for HTML'] = RowShape::ndjson()->withFlags($html);
        $shapes['for scripts'] = RowShape::arrays()->withFlags(JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
        // Names of columns in the statements, of many kinds.
        foreach (['a', 'b', 'c', 'd', 'e', 'f', 'i', 'id', 'j', 'm', 't', 'u', '5'] as $column) {
            $shapes["by $column"] = RowShape::keyedBy($column);
        }
        return $shapes;
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
        $shaped = [];
        foreach (self::shapes() as $name => $shape) {
            if ($info->rows === 0 && in_array($shape->name, ['csv', 'keyed'], true)) {
                continue; // PDO tells no names of SQLite's columns then
            }
            try {
                $shaped[$name] = $engine->shaped($result, $shape, 101);
            } catch (InvalidArgument $exception) {
                $shaped[$name] = $exception->getMessage();
            }
        }
        $engine->free($result);
        return ['json' => $json, 'shaped' => $shaped, 'values' => $values] + (array) $info;
    }
}
