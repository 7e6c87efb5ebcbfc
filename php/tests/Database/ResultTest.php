<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Exception\ConstraintViolation;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidHandle;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\UniqueViolation;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;
use ReflectionProperty;

/** What a statement gives: rows, a row, a value, a column, objects. */
final class ResultTest extends SqlTestCase
{
    /** @dataProvider databases */
    public function test_a_row_a_value_and_a_column(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 30, 20, 10);
        self::assertSame(['id' => 1, 'n' => 30], $db->row("SELECT * FROM $table ORDER BY id"));
        self::assertNull($db->row("SELECT * FROM $table WHERE id = ?", [9]));
        self::assertSame(30, $db->value("SELECT n, id FROM $table ORDER BY id"));
        self::assertNull($db->value("SELECT n FROM $table WHERE id = ?", [9]));
        self::assertNull($db->value("SELECT NULL AS a FROM $table"));
        self::assertSame([30, 20, 10], $db->column("SELECT n, id FROM $table ORDER BY id"));
        self::assertSame([], $db->column("SELECT n FROM $table WHERE id = ?", [9]));
    }

    /** @dataProvider databases */
    public function test_the_first_column_is_the_first_whatever_others_are_named(string $dsn): void
    {
        $db = Db::connect($dsn);
        $sql = 'SELECT 1 AS a, 2 AS a UNION ALL SELECT 3, 4 ORDER BY 1';
        self::assertSame(1, $db->value($sql));
        self::assertSame([1, 3], $db->column($sql));
        self::assertSame([1, 3], $db->result($sql)->column());
        self::assertSame([2, 4], $db->result($sql)->column('a'));
        $table = $this->numbers($db, 1);
        self::assertSame([], $db->result("UPDATE $table SET n = 2")->column());
        self::assertNull($db->value("UPDATE $table SET n = 2"));
    }

    /** @dataProvider databases */
    public function test_a_value_is_taken_of_many_rows_without_the_others(string $dsn): void
    {
        $db = Db::connect($dsn);
        $many = self::series($dsn, 40_000);
        self::assertSame([1, 2], $db->column("$many LIMIT 2"));
        gc_collect_cycles();
        memory_reset_peak_usage();
        $before = memory_get_peak_usage();
        self::assertSame(1, $db->value($many));
        $value = memory_get_peak_usage() - $before;
        self::assertCount(40_000, $db->column($many));
        if (Engine::getInstance()->isNative()) {
            self::assertLessThan((memory_get_peak_usage() - $before) / 4, $value);
        }
        self::assertSame(1, $db->value("SELECT m.n AS a, 0 AS a FROM ($many) m ORDER BY 1"));
        self::assertSame(1, $db->value("SELECT m.n AS a, 0 AS b FROM ($many) m ORDER BY 1"));
    }

    public function test_a_row_without_columns_has_no_value(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        self::assertNull($db->value('SELECT'));
        self::assertSame([], $db->column('SELECT'));
        self::assertSame([], $db->result('SELECT')->column());
    }

    /** @dataProvider databases */
    public function test_a_result_is_gone_through_as_often_as_one_likes(string $dsn): void
    {
        $db = Db::connect($dsn);
        $result = $db->result(self::series($dsn, 1_234));
        self::assertCount(1_234, $result);
        foreach ([1, 2] as $_) {
            $seen = 0;
            foreach ($result as $index => $row) {
                self::assertSame([$seen, $seen + 1], [$index, $row['n']]);
                $seen++;
            }
            self::assertSame(1_234, $seen);
        }
        foreach ($result as $row) {
            break;
        }
        self::assertSame(['n' => 1], $row);
        self::assertSame(range(1, 1_234), $result->column('n'));
        self::assertSame(range(1, 1_234), $result->column());
        self::assertSame($db->query(self::series($dsn, 1_234)), $result->all());
        self::assertSame($db->json(self::series($dsn, 1_234)), $result->json());
        $this->expectException(InvalidArgument::class);
        $result->column('m');
    }

    /** @dataProvider databases */
    public function test_rows_become_php_values_a_slice_at_a_time(string $dsn): void
    {
        $result = Db::connect($dsn)->result(self::series($dsn, 40_000));
        gc_collect_cycles();
        memory_reset_peak_usage();
        $before = memory_get_peak_usage();
        foreach ($result as $row) {
        }
        self::assertSame(['n' => 40_000], $row);
        $slices = memory_get_peak_usage() - $before;
        $all = $result->all();
        self::assertCount(40_000, $all);
        self::assertLessThan((memory_get_peak_usage() - $before) / 4, $slices);
    }

    /** @dataProvider databases */
    public function test_types_are_kept_in_slices_and_objects(string $dsn): void
    {
        $db = Db::connect($dsn);
        $type = ['sqlite' => 'BLOB', 'postgres' => 'BYTEA', 'mysql' => 'VARBINARY(9)'][Databases::name($dsn)];
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (i BIGINT, f DOUBLE PRECISION, t VARCHAR(9), b $type, z INT)");
        $row = ['i' => PHP_INT_MAX, 'f' => 0.1, 't' => "ü\"", 'b' => "\0\xff", 'z' => null];
        $params = [...array_values($row)];
        $params[3] = new Bytes($row['b']);
        $db->execute("INSERT INTO $table VALUES (?, ?, ?, ?, ?)", $params);
        $result = $db->result("SELECT * FROM $table");
        self::assertSame([$row], iterator_to_array($result));
        self::assertEquals([(object) $row], iterator_to_array($result->objects()));
        self::assertSame($row, (array) iterator_to_array($result->objects())[0]);
    }

    public function test_a_class_takes_columns_by_its_constructor_and_by_its_public_properties(): void
    {
        $db = Db::connect('sqlite::memory:');
        $result = $db->result("SELECT 'Kettle' AS name, 7 AS id, 1.5 AS price");
        $product = iterator_to_array($result->objects(Product::class));
        self::assertCount(1, $product);
        self::assertSame([7, 'Kettle', 1.5, 'none'], [
            $product[0]->id,
            $product[0]->name,
            $product[0]->price,
            $product[0]->note,
        ]);
        foreach (
            [
                "SELECT 'Kettle' AS name" => 'no column "id"',
                "SELECT 1 AS id, 'Kettle' AS name, 2 AS weight" => '"weight" is neither',
                "SELECT 1 AS id, 'Kettle' AS name, 2 AS secret" => '"secret" is neither',
            ] as $sql => $words
        ) {
            try {
                iterator_to_array($db->result($sql)->objects(Product::class));
                self::fail($sql);
            } catch (InvalidArgument $exception) {
                self::assertStringContainsString($words, $exception->getMessage());
            }
        }
        $this->expectException(InvalidArgument::class);
        iterator_to_array($db->result('SELECT 1 AS a')->objects('NoSuchClass'));
    }

    /** @dataProvider databases */
    public function test_a_result_tells_what_its_statement_did(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1, 2);
        $result = $db->result("UPDATE $table SET n = 5");
        self::assertSame([2, 0, []], [$result->affected, count($result), $result->all()]);
    }

    public function test_a_result_is_freed_with_its_object(): void
    {
        $engine = Engine::getInstance();
        $result = Db::connect('sqlite::memory:')->result('SELECT 1 AS a');
        $id = (new ReflectionProperty($result, 'id'))->getValue($result);
        self::assertSame([['a' => 1]], $engine->resultRows($id));
        unset($result);
        $this->expectException(InvalidHandle::class);
        $engine->resultRows($id);
    }

    public function test_slices_of_a_result_by_number(): void
    {
        $engine = Engine::getInstance();
        $id = $engine->dbQuery('sqlite::memory:', 'SELECT ? AS a UNION ALL SELECT ? UNION ALL SELECT ?', [1, 2, 3]);
        $all = [1, 2, 3];
        $slices = [[0, 1, [1]], [1, 9, [2, 3]], [2, null, [3]], [3, null, []], [9, 1, []], [0, 0, []], [0, null, $all]];
        foreach ($slices as [$from, $count, $values]) {
            $rows = $engine->resultRows($id, $from, $count);
            self::assertSame([true, $values], [array_is_list($rows), array_column($rows, 'a')]);
        }
        $engine->freeResult($id);
        $this->expectException(InvalidArgument::class);
        $engine->resultRows($id, -1);
    }

    /** @dataProvider databases */
    public function test_a_broken_constraint_has_a_class_of_its_own(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (id INT PRIMARY KEY, n INT NOT NULL)");
        $db->execute("INSERT INTO $table VALUES (1, 1)");
        $values = ['(1, 2)' => UniqueViolation::class, '(2, NULL)' => ConstraintViolation::class];
        foreach ($values as $row => $class) {
            try {
                $db->execute("INSERT INTO $table VALUES $row");
                self::fail($row);
            } catch (QueryFailed $exception) {
                self::assertSame([$class, '23'], [$exception::class, substr((string) $exception->sqlstate(), 0, 2)]);
            }
        }
    }

    public function test_no_password_is_shown_when_one_looks_at_a_db(): void
    {
        ob_start();
        var_dump(Db::connect('postgres://u:hunter2@127.0.0.1/d'));
        $dump = (string) ob_get_clean();
        self::assertStringContainsString('postgres://u:***@127.0.0.1/d', $dump);
        self::assertStringNotContainsString('hunter2', $dump);
    }

    /** A statement that gives n from 1 to this. */
    public static function series(string $dsn, int $last): string
    {
        return match (Databases::name($dsn)) {
            'postgres' => "SELECT generate_series(1, $last) AS n",
            'mysql' => "SELECT seq AS n FROM seq_1_to_$last",
            default => 'WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s '
                . "WHERE n < $last) SELECT n FROM s",
        };
    }
}
