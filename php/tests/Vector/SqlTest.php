<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;
use Lyger\Vector\Index;

/** Vectors out of a database. */
final class SqlTest extends SqlTestCase
{
    private const BYTES = ['sqlite' => 'BLOB', 'postgres' => 'BYTEA', 'mysql' => 'LONGBLOB'];
    private const JSON = ['sqlite' => 'TEXT', 'postgres' => 'JSONB', 'mysql' => 'JSON'];

    /** @dataProvider databases */
    public function test_vectors_are_read_as_bytes_text_and_json(string $dsn): void
    {
        $db = Db::connect($dsn);
        foreach ([self::BYTES[Databases::name($dsn)], 'TEXT', self::JSON[Databases::name($dsn)]] as $at => $type) {
            $table = self::embeddings($db, $type);
            foreach ([[1, [1, -2.5]], [2, [0.1, 3.5]]] as [$id, $vector]) {
                $value = $at === 0 ? new Bytes(pack('g*', ...$vector)) : json_encode($vector);
                $db->execute("INSERT INTO $table VALUES (?, ?)", [$id, $value]);
            }
            $index = Index::of(2);
            self::assertSame(2, $index->addFrom($db, "SELECT id, v FROM $table ORDER BY id"));
            self::assertSame([[1.0, -2.5], 2], [$index->vector(1), count($index)], $type);
            self::assertSame([0.10000000149011612, 3.5], $index->vector(2), $type);
            self::assertSame(1, $index->addFrom($db, "SELECT id + 7, v FROM $table WHERE id = ?", [2]));
            self::assertSame([1.0, -2.5], $index->vector(1));
            self::assertSame($index->vector(2), $index->vector(9));
        }
    }

    public function test_arrays_of_postgres_are_vectors(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        $index = Index::of(3);
        $index->addFrom($db, "SELECT 1, ARRAY[1, 2.5, -3e-2]::real[]
            UNION ALL SELECT 2, ARRAY[1, 2.5, 0.1]::double precision[] UNION ALL SELECT 3, ARRAY[4, 5, 6]::int[]");
        $index->addFrom($db, 'SELECT 4, ARRAY[-7, 0.10, 1048576e20]::numeric[]');
        self::assertSame([1.0, 2.5, -0.029999999329447746], $index->vector(1));
        self::assertSame([1.0, 2.5, 0.10000000149011612], $index->vector(2));
        self::assertSame([4.0, 5.0, 6.0], $index->vector(3));
        self::assertSame([-7.0, 0.10000000149011612, 1.048576021014383e26], $index->vector(4));
    }

    /** Types of these names, which the server's own functions for text read and write. */
    public function test_the_types_of_pgvector_are_vectors(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        foreach (['vector', 'halfvec'] as $type) {
            $schema = Databases::table();
            $db->execute("CREATE SCHEMA $schema");
            $db->execute("CREATE TYPE $schema.$type");
            $internal = 'STRICT LANGUAGE internal AS';
            $db->execute("CREATE FUNCTION $schema.i(cstring) RETURNS $schema.$type $internal 'textin'");
            $db->execute("CREATE FUNCTION $schema.o($schema.$type) RETURNS cstring $internal 'textout'");
            $db->execute("CREATE TYPE $schema.$type (INPUT = $schema.i, OUTPUT = $schema.o)");
            $index = Index::of(3);
            self::assertSame(1, $index->addFrom($db, "SELECT 1, '[1,2.5,-0.03]'::$schema.$type"));
            self::assertSame([1.0, 2.5, -0.029999999329447746], $index->vector(1), $type);
            $db->execute("DROP SCHEMA $schema CASCADE");
        }
    }

    /** @dataProvider databases */
    public function test_many_rows_come_and_the_last_of_an_id_is_kept(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = self::embeddings($db, 'TEXT');
        foreach (array_chunk(range(1, 3000), 500) as $ids) {
            $rows = implode(', ', array_map(static fn (int $id) => "($id, '[$id,1]')", $ids));
            $db->execute("INSERT INTO $table VALUES $rows");
        }
        $index = Index::of(2);
        $index->add(1, [7, 7]);
        self::assertSame(3000, $index->addFrom($db, "SELECT id, v FROM $table ORDER BY id"));
        self::assertSame([3000, [1.0, 1.0], [2999.0, 1.0]], [count($index), $index->vector(1), $index->vector(2999)]);
        self::assertSame(3000, $index->addFrom($db, "SELECT 1 + 0 * id, v FROM $table ORDER BY id"));
        self::assertSame([3000, [3000.0, 1.0]], [count($index), $index->vector(1)]);
        self::assertSame(0, $index->addFrom($db, "SELECT id, v FROM $table WHERE id < 0"));
    }

    /** @dataProvider databases */
    public function test_within_a_transaction_its_own_rows_are_seen(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = self::embeddings($db, 'TEXT');
        $index = Index::of(1);
        $db->begin();
        $db->execute("INSERT INTO $table VALUES (5, '[1]')");
        self::assertSame(1, $index->addFrom($db, "SELECT id, v FROM $table"));
        self::assertTrue($db->inTransaction());
        $db->rollback();
        self::assertSame(0, $index->addFrom($db, "SELECT id, v FROM $table"));
        self::assertTrue($index->has(5));
    }

    /** @dataProvider databases */
    public function test_a_temporary_table_that_was_made_before_is_read(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $db->execute("CREATE TEMPORARY TABLE $table (id INT PRIMARY KEY, v TEXT)");
        $db->execute("INSERT INTO $table VALUES (5, '[1]'), (6, '[2]')");
        $index = Index::of(1);
        self::assertSame(2, $index->addFrom($db, "SELECT id, v FROM $table"));
        self::assertSame([[1.0], [2.0]], [$index->vector(5), $index->vector(6)]);
        $db->execute("DROP TABLE $table");
    }

    /** @return array<string, array{string, string, string}> DSN, statement and message */
    public function mistakes(): array
    {
        $cases = [
            ['SELECT 1', 'an index is filled by a statement of two columns, the id and the vector; this one has 1'],
            ["SELECT 1, '[1,2]', 3", 'an index is filled by a statement of two columns, the id and the vector; '
                . 'this one has 3'],
            ["SELECT 8, '[1,2]' UNION ALL SELECT NULL, '[1,2]'", 'row 2 of the statement: its id is NULL'],
            ["SELECT 8, '[1,2]' UNION ALL SELECT 9, NULL", 'the vector of id 9 is NULL'],
            ["SELECT 8, '[1,2]' UNION ALL SELECT 9, '[1]'", 'the vector of id 9 has 1 elements, the index has vectors '
                . 'of 2'],
            ["SELECT 9, '[1,1e39]'", 'the vector of id 9 has inf at element 1: only finite numbers can be compared'],
            ["SELECT 9, 'text'", self::missing('`[`', 0)],
            ["SELECT 9, '[1,null]'", self::missing('a number', 3)],
            ["SELECT 9, '[1,2,]'", self::missing('a number', 5)],
            ["SELECT 9, '[01,2]'", self::missing('`,` or `]`', 2)],
            ["SELECT 9, '[1,2'", self::missing('`,` or `]`', 4)],
            ["SELECT 9, ' [ 1 , 2 ] 3'", self::missing('its end', 11)],
            ["SELECT 9, '[[1,2]]'", self::missing('a number', 1)],
            ["SELECT 9, ''", self::missing('`[`', 0)],
        ];
        $mistakes = [];
        foreach (Databases::all() as $name => [$dsn]) {
            foreach ($cases as [$sql, $message]) {
                $mistakes["$name: $sql"] = [$dsn, $sql, $message];
            }
            $bytes = ['sqlite' => "X'0102030405'", 'postgres' => "'\\x0102030405'::bytea", 'mysql' => "X'0102030405'"];
            $message = 'the vector of id 9 has 5 bytes, and each element has 4';
            $mistakes["$name: bytes"] = [$dsn, "SELECT 9, {$bytes[$name]}", $message];
        }
        return $mistakes;
    }

    /** @dataProvider mistakes */
    public function test_a_mistake_in_rows_is_told_and_adds_nothing(string $dsn, string $sql, string $message): void
    {
        $index = Index::of(2);
        $index->add(1, [1, 2]);
        try {
            $index->addFrom(Db::connect($dsn), $sql);
            self::fail("expected: $message");
        } catch (LygerException $exception) {
            self::assertSame($message, $exception->getMessage());
            $isKnown = preg_match('/^(?:row|the vector of id) (\d+)/', $message, $known) === 1;
            self::assertSame($isKnown ? $known[1] : null, $exception->value());
        }
        self::assertSame([1], $index->search([1, 2])->ids());
    }

    /** @dataProvider databases */
    public function test_an_id_that_is_no_integer_is_refused(string $dsn): void
    {
        foreach (["'x'", '1.5e0'] as $id) {
            try {
                Index::of(2)->addFrom(Db::connect($dsn), "SELECT $id, '[1,2]'");
                self::fail("$id was taken for an id");
            } catch (LygerException $exception) {
                $message = "row 1 of the statement: its id isn't an integer";
                self::assertSame([$message, '1'], [$exception->getMessage(), $exception->value()]);
            }
        }
    }

    /** @dataProvider databases */
    public function test_a_statement_that_fails_is_the_databases_error(string $dsn): void
    {
        $this->expectException(QueryFailed::class);
        Index::of(2)->addFrom(Db::connect($dsn), 'SELECT id, v FROM nothing_of_this_name');
    }

    private static function missing(string $what, int $at): string
    {
        return "the vector of id 9 isn't a JSON array of numbers: $what is missing at byte $at";
    }

    private static function embeddings(Db $db, string $type): string
    {
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (id INT PRIMARY KEY, v $type)");
        return $table;
    }
}
