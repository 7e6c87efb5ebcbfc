<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\UnsupportedType;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Both engines are held to the same literal results here, so they are equal to each other. */
final class DbTest extends TestCase
{
    public function databases(): array
    {
        return Databases::all();
    }

    private function table(Db $db, string $columns): string
    {
        $table = Databases::table();
        $db->execute("CREATE TABLE $table ($columns)");
        return $table;
    }

    /** @dataProvider databases */
    public function test_rows_have_their_types(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->table($db, 'i BIGINT, f DOUBLE PRECISION, s VARCHAR(100), n INT');
        $db->execute("INSERT INTO $table VALUES (?, ?, ?, ?)", [PHP_INT_MAX, 0.1, "ü\"\n\\", null]);
        self::assertSame(
            [['i' => PHP_INT_MAX, 'f' => 0.1, 's' => "ü\"\n\\", 'n' => null]],
            $db->query("SELECT * FROM $table"),
        );
        self::assertSame(
            '[{"i":9223372036854775807,"f":0.1,"s":"ü\"\n\\\\","n":null}]',
            str_replace("\n", '?', $db->json("SELECT * FROM $table")),
        );
        self::assertSame($db->json("SELECT * FROM $table"), $db->respond("SELECT * FROM $table")->body());
    }

    /** @dataProvider databases */
    public function test_bytes_are_bound_as_bytes_and_shown_in_base64(string $dsn): void
    {
        $db = Db::connect($dsn);
        $type = ['sqlite' => 'BLOB', 'postgres' => 'BYTEA', 'mysql' => 'VARBINARY(300)'][Databases::name($dsn)];
        $table = $this->table($db, "b $type");
        $bytes = implode('', array_map(chr(...), range(0, 255)));
        $db->execute("INSERT INTO $table VALUES (?)", [new Bytes($bytes)]);
        self::assertSame($bytes, $db->row("SELECT b FROM $table")['b']);
        self::assertSame('[{"b":"' . base64_encode($bytes) . '"}]', $db->json("SELECT b FROM $table"));
    }

    /** @dataProvider databases */
    public function test_every_kind_of_parameter_is_bound(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->table($db, 'id INT, flag BOOLEAN, f DOUBLE PRECISION, s VARCHAR(50)');
        foreach ([[1, true, 1.5e-7, "x\u{1F980}"], [2, false, -1e300, ''], [3, null, null, null]] as $row) {
            self::assertSame(1, $db->execute("INSERT INTO $table VALUES (?, ?, ?, ?)", $row)->affected);
        }
        $flags = Databases::name($dsn) === 'mysql' ? [1, 0, null] : [true, false, null];
        $rows = $db->query("SELECT * FROM $table ORDER BY id");
        self::assertSame($flags, array_column($rows, 'flag'));
        self::assertSame([1.5e-7, -1e300, null], array_column($rows, 'f'));
        self::assertSame(["x\u{1F980}", '', null], array_column($rows, 's'));
        self::assertSame(
            [['id' => 1]],
            $db->query("SELECT id FROM $table WHERE s = ? AND f = ?", ["x\u{1F980}", 1.5e-7]),
        );
        self::assertSame([], $db->query("SELECT id FROM $table WHERE s = ?", ["' OR '1'='1"]));
    }

    public function test_an_id_above_the_largest_integer_is_all_its_digits(): void
    {
        $db = Db::connect(Databases::server('mysql'));
        $table = $this->table($db, 'id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT');
        $db->execute("ALTER TABLE $table AUTO_INCREMENT = 9223372036854775807");
        $ids = [];
        for ($n = 0; $n < 2; $n++) {
            $ids[] = $db->execute("INSERT INTO $table (n) VALUES (?)", [$n])->lastInsertId;
        }
        self::assertSame([PHP_INT_MAX, '9223372036854775808'], $ids);
        self::assertSame($ids, $db->column("SELECT id FROM $table ORDER BY id"));
    }

    /** @dataProvider databases */
    public function test_affected_rows_and_generated_ids_are_told(string $dsn): void
    {
        $db = Db::connect($dsn);
        $key = [
            'sqlite' => 'id INTEGER PRIMARY KEY',
            'postgres' => 'id SERIAL PRIMARY KEY',
            'mysql' => 'id INT AUTO_INCREMENT PRIMARY KEY',
        ][Databases::name($dsn)];
        $table = $this->table($db, "$key, n INT");
        $first = $db->execute("INSERT INTO $table (n) VALUES (5)");
        $second = $db->execute("INSERT INTO $table (n) VALUES (6)");
        self::assertSame([1, 1], [$first->affected, $second->affected]);
        self::assertSame(Databases::name($dsn) === 'postgres' ? null : 2, $second->lastInsertId);
        $update = $db->execute("UPDATE $table SET n = 6");
        self::assertSame([2, null], [$update->affected, $update->lastInsertId]);
        self::assertSame(0, $db->execute("DELETE FROM $table WHERE n = 7")->affected);
        self::assertSame(
            [0, 2],
            [$db->execute("SELECT * FROM $table")->affected, $db->execute("SELECT * FROM $table")->rows],
        );
    }

    /** @dataProvider databases */
    public function test_of_two_columns_with_one_name_the_last_value_takes_the_first_place(string $dsn): void
    {
        $db = Db::connect($dsn);
        self::assertSame('[{"a":3,"b":2}]', $db->json('SELECT 1 AS a, 2 AS b, 3 AS a'));
        self::assertSame([['a' => 3, 'b' => 2]], $db->query('SELECT 1 AS a, 2 AS b, 3 AS a'));
    }

    /** @dataProvider databases */
    public function test_no_rows_are_an_empty_list(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->table($db, 'a INT, b INT');
        self::assertSame(['[]', []], [$db->json("SELECT * FROM $table"), $db->query("SELECT * FROM $table")]);
        self::assertNull($db->row("SELECT * FROM $table"));
        $info = $db->execute("SELECT * FROM $table");
        self::assertSame([0, 2], [$info->rows, $info->columns]);
    }

    /** @dataProvider databases */
    public function test_the_databases_own_words_and_sqlstate_reach_the_developer(string $dsn): void
    {
        $db = Db::connect($dsn);
        try {
            $db->query('SELECT * FROM no_such_table_here');
            self::fail('no exception');
        } catch (QueryFailed $exception) {
            self::assertStringContainsString('no_such_table_here', $exception->getMessage());
            $sqlstate = ['sqlite' => 'HY000', 'postgres' => '42P01', 'mysql' => '42S02'][Databases::name($dsn)];
            self::assertSame($sqlstate, $exception->sqlstate());
        }
        self::assertSame('[{"a":1}]', $db->json('SELECT 1 AS a'), 'the connection goes on');
    }

    /** @dataProvider databases */
    public function test_a_broken_constraint_has_class_23(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->table($db, 'a INT PRIMARY KEY');
        $db->execute("INSERT INTO $table VALUES (1)");
        try {
            $db->execute("INSERT INTO $table VALUES (1)");
            self::fail('no exception');
        } catch (QueryFailed $exception) {
            self::assertStringStartsWith('23', (string) $exception->sqlstate());
        }
    }

    /** @dataProvider databases */
    public function test_the_number_of_parameters_must_fit(string $dsn): void
    {
        foreach ([[], [1, 2]] as $params) {
            try {
                Db::connect($dsn)->query('SELECT 1 + ? AS a', $params);
                self::fail('no exception');
            } catch (InvalidParams $exception) {
                self::assertStringContainsString('1 placeholder', $exception->getMessage());
            }
        }
    }

    /** @dataProvider databases */
    public function test_a_second_statement_is_refused(string $dsn): void
    {
        foreach (['SELECT 1; SELECT 2', 'SELECT 1; BEGIN'] as $sql) {
            try {
                Db::connect($dsn)->query($sql);
                self::fail($sql);
            } catch (QueryFailed $exception) {
                self::assertNotSame('', $exception->getMessage());
            }
        }
    }

    public function test_a_column_that_does_not_hold_what_it_is_declared_as_is_named(): void
    {
        $db = Db::connect(Databases::sqlite());
        $db->execute('CREATE TABLE t (j JSON)');
        $db->execute("INSERT INTO t VALUES ('{broken')");
        $this->expectException(UnsupportedType::class);
        $this->expectExceptionMessage('"j"');
        $db->json('SELECT j FROM t');
    }

    public function test_sqlites_declared_types_add_what_it_has_no_storage_class_for(): void
    {
        $db = Db::connect(Databases::sqlite());
        $db->execute('CREATE TABLE t (b BOOLEAN, d DATETIME, j JSON, m, x BLOB, n DECIMAL(10,2))');
        $db->execute(
            "INSERT INTO t VALUES (1, '2024-01-02 03:04:05.25', '{\"a\": [1]}', 'text', 'text in a blob', 1.5),
             (2, 'today', '5', 5, x'00ff', 2), (NULL, NULL, NULL, x'01', NULL, NULL),
             (0, '2024-01-02', '\"s\"', 1.5, NULL, NULL)"
        );
        self::assertSame(
            '[{"b":true,"d":"2024-01-02T03:04:05.25","j":{"a": [1]},"m":"text","x":"text in a blob","n":1.5},'
            . '{"b":2,"d":"today","j":5,"m":5,"x":"AP8=","n":2},'
            . '{"b":null,"d":null,"j":null,"m":"AQ==","x":null,"n":null},'
            . '{"b":false,"d":"2024-01-02","j":"s","m":1.5,"x":null,"n":null}]',
            $db->json('SELECT * FROM t'),
        );
        self::assertSame(['{"a": [1]}', '5', null, '"s"'], array_column($db->query('SELECT j FROM t'), 'j'));
    }

    public function test_dates_that_rfc_3339_has_no_form_for_are_the_databases_own_text(): void
    {
        $odd = [
            'sqlite' => ["SELECT d FROM odd", '[{"d":"0000-00-00"},{"d":"infinity"},{"d":"2024-01-02 24:00"}]'],
            'postgres' => [
                "SELECT 'infinity'::timestamptz a, '-infinity'::date b, '0044-03-15 BC'::date c, '24:00:00'::time d",
                '[{"a":"infinity","b":"-infinity","c":"0044-03-15 BC","d":"24:00:00"}]',
            ],
            'mysql' => [
                "SELECT CAST('0000-00-00' AS DATE) a, CAST('2024-00-00 00:00:00' AS DATETIME) b, "
                    . "CAST('838:59:59' AS TIME) c",
                '[{"a":"0000-00-00","b":"2024-00-00T00:00:00","c":"838:59:59"}]',
            ],
        ];
        foreach (Databases::all() as $name => [$dsn]) {
            $db = Db::connect($dsn);
            if ($name === 'sqlite') {
                $db->execute('CREATE TABLE odd (d DATETIME)');
                $db->execute("INSERT INTO odd VALUES ('0000-00-00'), ('infinity'), ('2024-01-02 24:00')");
            }
            self::assertSame($odd[$name][1], $db->json($odd[$name][0]), $name);
        }
    }

    public function test_invalid_utf_8_in_the_database_becomes_replacement_characters_in_json(): void
    {
        $db = Db::connect('sqlite::memory:');
        // One for each maximal part: ff; e2 82, the beginning of a sequence; c0.
        $json = $db->json("SELECT CAST(x'61ff62e282c063' AS TEXT) AS t");
        self::assertSame("[{\"t\":\"a\u{fffd}b\u{fffd}\u{fffd}c\"}]", $json);
    }

    public function test_a_database_in_memory_lives_on_from_one_statement_to_the_next(): void
    {
        $db = Db::connect('sqlite::memory:');
        $table = $this->table($db, 'a INT');
        $db->execute("INSERT INTO $table VALUES (1)");
        try {
            $db->query('BROKEN');
        } catch (QueryFailed) {
        }
        self::assertSame([['a' => 1]], $db->query("SELECT a FROM $table"));
    }

    /** @dataProvider unreachable */
    public function test_an_unreachable_database_is_told_without_its_password(string $dsn, string $class): void
    {
        try {
            Db::connect($dsn)->query('SELECT 1');
            self::fail('no exception');
        } catch (LygerException $exception) {
            self::assertInstanceOf($class, $exception);
            self::assertStringNotContainsString('hunter2', $exception->getMessage());
        }
    }

    public function unreachable(): array
    {
        return [
            ['postgres://u:hunter2@127.0.0.1:1/d', ConnectionFailed::class],
            ['mysql://u:hunter2@127.0.0.1:1/d', ConnectionFailed::class],
            ['sqlite:/no/such/folder/x.db', ConnectionFailed::class],
            ['mysql:host=x;password=hunter2', InvalidDsn::class],
        ];
    }

    public function test_results_of_every_size_come_whole_in_every_form(): void
    {
        $db = Db::connect('sqlite::memory:');
        // From less than the first buffer to more than any that is kept, and back.
        foreach ([1, 70_000, 3_000_000, 100_000, 2] as $bytes) {
            $sql = 'SELECT ? AS t UNION ALL SELECT NULL';
            $text = str_repeat("a\0", $bytes >> 1) . 'ü';
            self::assertTrue([['t' => $text], ['t' => null]] === $db->query($sql, [$text]), "rows of $bytes bytes");
            self::assertTrue(['t' => $text] === $db->row($sql, [$text]), "a row of $bytes bytes");
            self::assertTrue([$text, null] === $db->column($sql, [$text]), "a column of $bytes bytes");
            $json = json_encode([['t' => $text], ['t' => null]], JSON_UNESCAPED_UNICODE);
            self::assertTrue($json === $db->json($sql, [$text]), "JSON of $bytes bytes");
        }
    }

    public function test_a_column_is_the_first_also_where_a_later_one_has_its_name(): void
    {
        $db = Db::connect('sqlite::memory:');
        self::assertSame([1, 3], $db->column('SELECT 1 AS a, 2 AS a UNION ALL SELECT 3, 4'));
        self::assertSame([], $db->column('SELECT 1 WHERE 0'));
        self::assertSame([], $db->column('CREATE TEMP TABLE t (n)'));
        self::assertSame(["\xff", 1.5, null], $db->column("SELECT x'ff' UNION ALL SELECT 1.5 UNION ALL SELECT NULL"));
    }
}
