<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\QueryFailed;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;

/** How a database would run a statement, in its own words. */
final class ExplainTest extends SqlTestCase
{
    /** @dataProvider databases */
    public function test_a_plan_is_a_php_array_and_nothing_is_run(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1, 2, 3);
        $plan = $db->explain("SELECT n FROM $table WHERE id = ?", [2]);
        $cost = match (Databases::name($dsn)) {
            'postgres' => $plan['Plan']['Total Cost'],
            'mysql' => $plan['query_block']['select_id'],
            default => $plan[0]['id'],
        };
        self::assertIsNumeric($cost);
        self::assertStringContainsString($table, (string) json_encode($plan));
        $db->explain("DELETE FROM $table");
        self::assertSame(3, $db->value("SELECT COUNT(*) FROM $table"));
        $this->expectException(QueryFailed::class);
        $db->explain('SELECT * FROM no_such_table');
    }

    /** @dataProvider databases */
    public function test_a_plan_that_is_measured_leaves_nothing_of_what_it_did(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 1, 2, 3);
        $sql = "UPDATE $table SET n = 9 WHERE id > ?";
        if (Databases::name($dsn) === 'sqlite') {
            $this->expectException(InvalidArgument::class);
            $db->explain($sql, [1], true);
        }
        $plan = $db->explain($sql, [1], true);
        $measured = Databases::name($dsn) === 'postgres'
            ? $plan['Plan']['Actual Total Time']
            : $plan['query_block']['r_total_time_ms'];
        self::assertIsFloat($measured);
        self::assertSame([false, [1, 2, 3]], [$db->inTransaction(), $db->column("SELECT n FROM $table ORDER BY id")]);
        $db->transaction(static function (Db $db) use ($sql, $table): void {
            $db->execute("UPDATE $table SET n = 5 WHERE id = 1");
            $db->explain($sql, [1], true);
        });
        self::assertSame([5, 2, 3], $db->column("SELECT n FROM $table ORDER BY id"));
    }
}
