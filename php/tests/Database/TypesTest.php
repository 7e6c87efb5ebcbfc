<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Tests\Support\Databases;
use PDO;
use PHPUnit\Framework\TestCase;

/**
 * Every type of every database, by the tables in Types/: each type is a column of a new table.
 *
 *     type => [
 *         'type' => what CREATE TABLE has, where that isn't the key; {type} is a name that 'setup' creates
 *         'setup' => a statement that has to run before
 *         'strict' => true: a STRICT table of SQLite
 *         'null' => false: the type has no NULL
 *         'back' => the expression with one `?` that stores the PHP value again; `?` if none, '' where there is none
 *         [literal, PHP value, JSON, where they differ also 'pdo' => PDO's, 'fallback' => [PHP value, JSON] there],
 *     ]
 *
 * A value of raw bytes is Bytes here, and a plain string in the rows. In PDO's values a stream is its contents.
 */
final class TypesTest extends TestCase
{
    /** @return iterable<string, array{string, string, array<mixed>}> */
    public function types(): iterable
    {
        $files = ['postgres' => ['postgres', 'postgres-arrays'], 'mysql' => ['mysql'], 'sqlite' => ['sqlite']];
        foreach (Databases::all() as $name => [$dsn]) {
            foreach ($files[$name] as $file) {
                foreach (require __DIR__ . "/Types/$file.php" as $type => $rows) {
                    yield "$name: $type" => [$dsn, $type, $rows];
                }
            }
        }
    }

    /** @return iterable<string, array{string, string, array<mixed>}> */
    public function expressions(): iterable
    {
        $expressions = require __DIR__ . '/Types/expressions.php';
        foreach (Databases::all() as $name => [$dsn]) {
            foreach ($expressions[$name] as $row) {
                yield "$name: $row[0]" => [$dsn, $row[0], [$row]];
            }
        }
    }

    /**
     * @dataProvider types
     * @param array<mixed> $type
     */
    public function test_a_stored_value_has_its_documented_forms_and_goes_back_as_it_came(
        string $dsn,
        string $name,
        array $type,
    ): void {
        [$pdo, $table] = [Databases::pdo($dsn), Databases::table()];
        $named = static fn (string $sql): string => str_replace('{type}', "y$table", $sql);
        if (isset($type['setup'])) {
            $pdo->exec($named($type['setup']));
        }
        $pdo->exec("CREATE TABLE $table (id INT, v " . $named($type['type'] ?? $name) . ')'
            . (isset($type['strict']) ? ' STRICT' : ''));
        $rows = self::rows($type);
        foreach ($rows as $id => [$literal]) {
            $pdo->exec("INSERT INTO $table VALUES ($id, {$named($literal)})");
        }
        $db = Db::connect($dsn);
        self::holds($rows, $db, $pdo, "SELECT v FROM $table WHERE id < 1000 ORDER BY id");
        $back = $named($type['back'] ?? '?');
        if ($back === '') {
            return;
        }
        foreach ($rows as $id => $row) {
            [$value] = self::own($row);
            $place = $value === null ? '?' : $back;
            $db->execute("INSERT INTO $table VALUES (1000 + $id, $place)", [$value]);
        }
        self::holds($rows, $db, $pdo, "SELECT v FROM $table WHERE id >= 1000 ORDER BY id");
    }

    /**
     * @dataProvider expressions
     * @param list<array<mixed>> $rows
     */
    public function test_an_expression_has_its_documented_form(string $dsn, string $name, array $rows): void
    {
        self::holds($rows, Db::connect($dsn), Databases::pdo($dsn), "SELECT {$rows[0][0]} AS v");
    }

    public function test_settings_of_a_session_change_no_form(): void
    {
        $dsn = Databases::server('postgres');
        $settings = '-c IntervalStyle=iso_8601 -c DateStyle=German -c bytea_output=escape -c extra_float_digits=-9 '
            . '-c TimeZone=Asia/Tokyo';
        self::assertSame(
            '[{"i":"1 day 02:00:00","m":"2024-01-02T00:00:00Z","f":0.12345678901234568,'
            . '"r":"[2024-01-02,2024-01-03)","z":"[\"2024-01-02 00:00:00+00\",)",'
            . '"b":"(\"\\\\\\\\x00ff\",0.12345678901234568)"}]',
            Db::connect("$dsn?options=" . rawurlencode($settings))->json(
                "SELECT '1 day 2 hours'::interval i, '2024-01-02 00:00Z'::timestamptz m, "
                . "0.123456789012345678::float8 f, '[2024-01-02,2024-01-02]'::daterange r, "
                . "'[2024-01-02 00:00Z,)'::tstzrange z, ROW('\\x00ff'::bytea, 0.123456789012345678::float8) b"
            ),
        );
    }

    public function test_pdo_gives_bytes_of_postgresql_as_a_stream(): void
    {
        $dsn = Databases::server('postgres');
        self::assertIsResource(Databases::pdo($dsn)->query("SELECT '\\x00ff'::bytea")->fetchColumn());
        self::assertSame("\x00\xff", Db::connect($dsn)->query("SELECT '\\x00ff'::bytea AS v")[0]['v']);
    }

    /**
     * The literals with what they become, and NULL.
     *
     * @param array<mixed> $type
     * @return list<array<mixed>>
     */
    private static function rows(array $type): array
    {
        $rows = array_values(array_filter($type, is_int(...), ARRAY_FILTER_USE_KEY));
        return ($type['null'] ?? true) ? [...$rows, ['NULL', null, 'null']] : $rows;
    }

    /**
     * @param array<mixed> $row
     * @return array{mixed, string} the PHP value and the JSON of the engine under test
     */
    private static function own(array $row): array
    {
        return isset($row['fallback']) && !Engine::getInstance()->isNative() ? $row['fallback'] : [$row[1], $row[2]];
    }

    /** @param list<array<mixed>> $rows */
    private static function holds(array $rows, Db $db, PDO $pdo, string $sql): void
    {
        $own = array_map(self::own(...), $rows);
        $plain = static fn (mixed $value): mixed => $value instanceof Bytes ? $value->bytes : $value;
        $values = array_map($plain, array_column($own, 0));
        self::assertSame(self::shown($values), self::shown(array_column($db->query($sql), 'v')), 'in PHP');
        self::assertSame(self::shown($values), self::shown(array_column([...$db->stream($sql)], 'v')), 'in a stream');
        $json = array_map(static fn (string $json): string => "{\"v\":$json}", array_column($own, 1));
        self::assertSame('[' . implode(',', $json) . ']', $db->json($sql), 'in JSON');
        $expected = array_map(
            static fn (array $row): mixed => array_key_exists('pdo', $row) ? $row['pdo'] : $plain($row[1]),
            $rows,
        );
        $given = array_map(
            static fn (mixed $value): mixed => is_resource($value) ? stream_get_contents($value) : $value,
            $pdo->query($sql)->fetchAll(PDO::FETCH_COLUMN),
        );
        self::assertSame(self::shown($expected), self::shown($given), 'in PDO');
    }

    /**
     * With NaN equal to itself, and -0.0 different from 0.0.
     *
     * @param list<mixed> $values
     */
    private static function shown(array $values): string
    {
        return implode("\n", array_map(static fn (mixed $value): string => var_export($value, true), $values));
    }
}
