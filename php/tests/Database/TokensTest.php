<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Fallback\Tokens;
use PHPUnit\Framework\TestCase;

final class TokensTest extends TestCase
{
    /** @dataProvider postgres */
    public function test_postgresqls_statements_are_written_as_pdo_reads_them(string $sql, string $pdo, int $last): void
    {
        self::assertSame([$pdo, $last], Tokens::forPdoPostgres($sql));
    }

    public function postgres(): array
    {
        return [
            ['SELECT $2, $1, $2', 'SELECT :p2, :p1, :p2', 2],
            ["SELECT '?', \"?\", $1", "SELECT '?', \"?\", :p1", 1],
            ["SELECT 'it''s ?', $1", "SELECT 'it''s ?', :p1", 1],
            ["SELECT E'\\'?', $1", "SELECT E'\\'?', :p1", 1],
            ["SELECT E'a'\n'\\' \$1', $1", "SELECT E'a'\n'\\' \$1', :p1", 1],
            ["SELECT 'a\\', $1", "SELECT E'a\\\\', :p1", 1],
            ["SELECT 1 -- $1\n, $1", "SELECT 1 -- $1\n, :p1", 1],
            ['SELECT /* ? /* $1 */ ? */ $1', 'SELECT   :p1', 1],
            ['SELECT /* ? */ $1', 'SELECT /* ? */ :p1', 1],
            ["SELECT $$?'\\$$, \$x\$ ? \$y$ $1 \$x$, $1", "SELECT E'?''\\\\', E' ? \$y$ $1 ', :p1", 1],
            ["SELECT U&'\\0061 ?', $1", "SELECT U&'\\0061 ?', :p1", 1],
            ['SELECT a$1, $1::int', 'SELECT a$1, :p1::int', 1],
            ["SELECT j ? 'k', j ?| $1", "SELECT j ?? 'k', j ??| :p1", 1],
            ['SELECT a[1:2], a[:n], a[$1:m]', 'SELECT a[1: 2], a[: n], a[:p1: m]', 1],
            ['SELECT f(a := $1)', 'SELECT f(a := :p1)', 1],
            ['SELECT 1', 'SELECT 1', 0],
            ["SELECT 'never closed ?", "SELECT 'never closed ?", 0],
        ];
    }

    /** @dataProvider sqlite */
    public function test_sqlites_placeholders_are_counted_as_sqlite_counts_them(string $sql, int $count): void
    {
        self::assertSame([$sql, $count], Tokens::forSqlite($sql, []));
    }

    public function sqlite(): array
    {
        return [
            ['SELECT ?, ?', 2],
            ['SELECT ?3, ?', 4],
            ['SELECT :a, @b, $c, :a', 3],
            ["SELECT '?', \"?\", `?`, [?], ? -- ?\n /* ? */", 1],
            ['SELECT a?', 1],
            ['SELECT 1', 0],
        ];
    }

    public function test_chosen_placeholders_are_wrapped(): void
    {
        self::assertSame(['SELECT ?, f(?), f(?2)', 2], Tokens::forSqlite('SELECT ?, ?, ?2', [2 => 'f']));
    }

    public function test_a_second_statement_is_noticed(): void
    {
        foreach (['SELECT 1; SELECT 2', "SELECT ';'; x", 'SELECT 1;/* */ SELECT 2'] as $sql) {
            self::assertTrue(Tokens::hasSecondStatement($sql), $sql);
        }
        $trigger = 'CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END';
        foreach (['SELECT 1', 'SELECT 1;', "SELECT ';'", "SELECT 1; -- x\n ; /* y */ ", $trigger] as $sql) {
            self::assertFalse(Tokens::hasSecondStatement($sql), $sql);
        }
    }

    public function test_the_first_word_of_a_statement_is_found(): void
    {
        foreach (['select 1', "-- x\n/* y */ (SELECT 1)", '; Select', "# c\nSELECT", '/* /* */ */ SELECT'] as $sql) {
            self::assertSame('SELECT', Tokens::firstKeyword($sql), $sql);
        }
        self::assertSame('', Tokens::firstKeyword('1'));
    }

    public function test_a_statement_of_comments_alone_is_blank_as_its_database_reads_them(): void
    {
        $dialects = ['postgres', 'mysql', 'sqlite'];
        $cases = [
            '/* /* c */ */' => [true, false, false],
            '/* a /* b */ BEGIN' => [true, false, false],
            '/*! SET x = 1 */' => [true, false, true],
            '#' => [false, true, false],
            '/*M! SET x = 1 */' => [true, false, true],
        ];
        $blank = ['', " \n\x0b", ' ; ;', "-- c\n;", '/* c */ -- d', '/* open', '/**/', '/*/ */;', '/* a /* b */'];
        $cases += array_fill_keys($blank, [true, true, true]);
        $code = ['SELECT 1', '/* c */ x', "-- c\nx", "#x\ny", '(', '/', '-', 'ü'];
        $cases += array_fill_keys($code, [false, false, false]);
        foreach ($cases as $sql => $expected) {
            $found = array_map(static fn (string $dialect): bool => Tokens::isBlank($sql, $dialect), $dialects);
            self::assertSame($expected, $found, $sql);
        }
    }
}
