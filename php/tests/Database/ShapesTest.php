<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Database\Paging;
use Lyger\Database\RowShape;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\EntityTag;
use Lyger\Http\HttpException;
use Lyger\Http\Psr7;
use Lyger\Http\SqlResponse;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Bodies of rows outside of any server; tests/Core/ParityTest.php holds both engines to the same bytes. */
final class ShapesTest extends TestCase
{
    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_a_page_is_cut_from_a_statement_and_its_rows_are_counted(string $dsn): void
    {
        $table = Databases::table();
        $db = Db::connect($dsn);
        $db->execute("CREATE TABLE $table (id INTEGER PRIMARY KEY)");
        $db->execute("INSERT INTO $table VALUES (1), (2), (3), (4), (5)");
        $page = static fn (string $sql, array $params, int $page): string
            => $db->respond($sql, $params)->paged($page, 2)->body();
        $meta = static fn (int $count, int $total, int $page, int $pages): string
            => "\"meta\":{\"count\":$count,\"total\":$total,\"page\":$page,\"per_page\":2,\"pages\":$pages}}";
        $sql = "SELECT id FROM $table WHERE id <> ? ORDER BY id DESC;  -- done;\n/* and over */ ;";
        self::assertSame('{"data":[{"id":5},{"id":4}],' . $meta(2, 4, 1, 2), $page($sql, [2], 1));
        self::assertSame('{"data":[{"id":3},{"id":1}],' . $meta(2, 4, 2, 2), $page($sql, [2], 2));
        self::assertSame('{"data":[],' . $meta(0, 4, 3, 2), $page($sql, [2], 3));
        self::assertSame('{"data":[],' . $meta(0, 0, 1, 0), $page("SELECT id FROM $table WHERE id > 9", [], 1));
        $named = "SELECT id FROM $table WHERE id <> :id AND id IN (:ids) ORDER BY id";
        self::assertSame(
            '{"data":[{"id":4}],' . $meta(1, 3, 2, 2),
            $page($named, ['id' => 2, 'ids' => [1, 2, 3, 4]], 2),
        );
        if (Databases::name($dsn) === 'postgres') {
            $numbered = "SELECT id FROM $table WHERE id <> $1 OR id = $1 ORDER BY id";
            self::assertSame('{"data":[{"id":3},{"id":4}],' . $meta(2, 5, 2, 3), $page($numbered, [7], 2));
        }
        $db->execute("DROP TABLE $table");
    }

    public function test_a_single_row_that_is_not_there_is_a_404(): void
    {
        $db = Db::connect('sqlite::memory:');
        $missing = $db->respond('SELECT 1 AS a WHERE 0')->single();
        self::assertStringContainsString('Nothing is here.', $missing->body());
        self::assertSame([404, 'application/json'], [$missing->status(), $missing->header('content-type')]);
        // A middleware of PSR-15 that reads the body makes it one as well.
        $psr = Psr7::response($db->respond('SELECT 1 AS a WHERE 0')->single());
        self::assertStringContainsString('Nothing is here.', (string) $psr->getBody());
        self::assertSame(404, Psr7::fromResponse($psr)->status());
    }

    public function test_a_response_through_psr_7_keeps_its_shape(): void
    {
        $response = Db::connect('sqlite::memory:')->respond('SELECT 1 AS a')->csv()->etag();
        $again = Psr7::fromResponse(Psr7::response($response));
        self::assertSame('{"shape":"csv","etag":true}', $again->options());
        self::assertSame("a\r\n1\r\n", $again->body());
    }

    /** @dataProvider databases */
    public function test_rows_have_the_text_that_json_encode_writes_with_the_same_flags(string $dsn): void
    {
        $db = Db::connect($dsn);
        $text = "<a href=\"/b\">'&' é漢🦀 \u{2028}\u{2029}\u{7f} \\\" \\\\ \t\x01</a>\\";
        $sql = 'SELECT ? AS "a/<ü\'>", ? AS "n" UNION ALL SELECT ?, ?';
        $quoted = Databases::name($dsn) === 'mysql' ? strtr($sql, '"', '`') : $sql;
        $rows = [['a/<ü\'>' => $text, 'n' => 'plain'], ['a/<ü\'>' => '', 'n' => '"']];
        $params = [$text, 'plain', '', '"'];
        $flags = [JSON_HEX_TAG, JSON_HEX_AMP, JSON_HEX_APOS, JSON_HEX_QUOT, JSON_UNESCAPED_SLASHES];
        $flags = [...$flags, JSON_UNESCAPED_UNICODE, JSON_UNESCAPED_LINE_TERMINATORS];
        for ($set = 0; $set < 2 ** count($flags); $set++) {
            $all = JSON_THROW_ON_ERROR;
            foreach ($flags as $bit => $flag) {
                $all |= ($set >> $bit & 1) * $flag;
            }
            $body = $db->respond($quoted, $params)->flags($all)->body();
            self::assertSame(json_encode($rows, $all), $body);
        }
        self::assertSame(json_encode($rows, SqlResponse::FLAGS), $db->respond($quoted, $params)->body());
        $arrays = $db->respond($quoted, $params)->flags(0)->arrays()->body();
        self::assertSame(json_encode(array_map(array_values(...), $rows)), $arrays, 'a later shape keeps the flags');
    }

    public function test_a_databases_own_json_is_escaped_with_the_rest(): void
    {
        $db = Db::connect('sqlite::memory:');
        $db->execute('CREATE TABLE j (j JSON)');
        $db->execute('INSERT INTO j VALUES (?)', ['{"k":"<\/\u003c/é\\"/"}']);
        $body = $db->respond('SELECT j FROM j')->flags(JSON_HEX_TAG | JSON_HEX_QUOT)->body();
        self::assertSame('[{"j":{"k":"\u003C\/\u003c\/\u00e9\u0022\/"}}]', $body);
    }

    public function test_flags_that_rows_do_not_know_are_refused_by_name(): void
    {
        $response = Db::connect('sqlite::memory:')->respond('SELECT 1 AS a');
        $refused = [
            'JSON_PRETTY_PRINT' => JSON_PRETTY_PRINT,
            'JSON_FORCE_OBJECT' => JSON_FORCE_OBJECT | JSON_HEX_TAG,
            'JSON_NUMERIC_CHECK' => JSON_NUMERIC_CHECK,
            'JSON_PARTIAL_OUTPUT_ON_ERROR' => JSON_PARTIAL_OUTPUT_ON_ERROR,
            'JSON_INVALID_UTF8_IGNORE' => JSON_INVALID_UTF8_IGNORE,
            '1073741824' => 1 << 30,
        ];
        foreach ($refused as $name => $flags) {
            try {
                $response->flags($flags);
                self::fail("$name accepted");
            } catch (InvalidArgument $exception) {
                self::assertStringContainsString((string) $name, $exception->getMessage());
            }
        }
        try {
            $response->flags(JSON_HEX_TAG)->csv();
            self::fail('CSV with flags');
        } catch (InvalidArgument $exception) {
            self::assertStringContainsString('CSV', $exception->getMessage());
        }
        self::assertTrue($response->isPending());
    }

    public function test_shapes_that_can_not_be_are_refused_at_once(): void
    {
        $response = Db::connect('sqlite::memory:')->respond('SELECT 1 AS a');
        $shapes = [
            static fn () => $response->paged(1, 0),
            static fn () => $response->keyedBy("\xff"),
        ];
        foreach ($shapes as $shape) {
            try {
                $shape();
                self::fail('accepted');
            } catch (InvalidArgument) {
                self::assertTrue($response->isPending());
            }
        }
    }

    public function test_a_page_that_can_not_be_is_a_mistake_of_the_client(): void
    {
        $response = Db::connect('sqlite::memory:')->respond('SELECT 1 AS a');
        foreach ([0, -1, PHP_INT_MAX] as $page) {
            try {
                $response->paged($page, 10);
                self::fail('accepted');
            } catch (HttpException $exception) {
                self::assertSame(400, $exception->status());
                self::assertTrue($response->isPending());
            }
        }
    }

    public function test_what_ends_a_statement_is_left_out_and_what_only_looks_so_stays(): void
    {
        foreach (
            [
                // As in rust/db/page.rs.
                ['sqlite', 'SELECT 1', 'SELECT 1'],
                ['sqlite', "SELECT 1 ; -- done;\n /* x */ ;\n", 'SELECT 1'],
                ['sqlite', "SELECT ';--'", "SELECT ';--'"],
                ['sqlite', 'SELECT [;--] ;', 'SELECT [;--]'],
                ['postgres', 'SELECT $$;--$$; /* a /* b */ c */', 'SELECT $$;--$$'],
                ['postgres', "SELECT E'\\';--'", "SELECT E'\\';--'"],
                ['mysql', "SELECT '\\';--' # end;", "SELECT '\\';--'"],
                ['mysql', 'SELECT `;--`, "ü;";;', 'SELECT `;--`, "ü;"'],
                ['sqlite', 'SELECT 1; SELECT 2;', 'SELECT 1; SELECT 2'],
                ['sqlite', ' -- nothing', ''],
                ['postgres', str_repeat("x'y' ", 200_000) . ';', rtrim(str_repeat("x'y' ", 200_000))],
            ] as [$dialect, $sql, $trimmed]
        ) {
            self::assertSame($trimmed, Paging::trimmed($dialect, $sql));
        }
    }

    public function test_a_tag_is_found_in_a_list_however_it_is_written(): void
    {
        // As in rust/front/query/conditional.rs.
        foreach (['"abc"', '*', ' * ', 'W/"abc"', '"x", "abc"', '"a,b" , W/"abc",', ',,"abc"', '"","abc"'] as $list) {
            self::assertTrue(EntityTag::isIn($list, '"abc"'), $list);
        }
        foreach (['', 'abc', '"abc', '"x"', '"ab"', 'W"abc"', '"x" y "abc"', '**', '"abcd"', ','] as $list) {
            self::assertFalse(EntityTag::isIn($list, '"abc"'), $list);
        }
    }

    public function test_how_a_statement_runs_is_told_with_its_answer(): void
    {
        $db = Db::connect('sqlite::memory:')->timeout(1.5)->retry(2)->decimals('number');
        self::assertSame(
            '{"shape":"csv","timeout_ms":1500,"retries":2,"decimals":"number"}',
            $db->respond('SELECT 1 AS a')->csv()->options(),
        );
    }

    public function test_a_shape_is_told_to_the_engine(): void
    {
        self::assertSame('', RowShape::list()->options());
        self::assertSame('{"etag":true}', RowShape::list()->options(true));
        self::assertSame('{"shape":"keyed","key":"\"\u00fc"}', RowShape::keyedBy('"ü')->options());
        self::assertSame('{"shape":"paged","page":2,"per_page":50}', RowShape::paged(2, 50)->options());
    }
}
