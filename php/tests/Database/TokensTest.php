<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Fallback\Tokens;
use Lyger\Exception\InvalidParams;
use PHPUnit\Framework\TestCase;

final class TokensTest extends TestCase
{
    /** @dataProvider postgres */
    public function test_only_placeholders_are_rewritten(string $sql, string $rewritten, int $count): void
    {
        self::assertSame([$rewritten, $count], Tokens::forPostgres($sql));
    }

    public function postgres(): array
    {
        return [
            ['SELECT ?, ?', 'SELECT :p1, :p2', 2],
            ['SELECT $2, $1, $2', 'SELECT :p2, :p1, :p2', 2],
            ["SELECT '?', \"?\", ?", "SELECT '?', \"?\", :p1", 1],
            ["SELECT 'it''s ?', ?", "SELECT 'it''s ?', :p1", 1],
            ["SELECT E'\\'?', ?", "SELECT E'\\'?', :p1", 1],
            ["SELECT 'a\\', ?", "SELECT E'a\\\\', :p1", 1],
            ["SELECT 1 -- ?\n, ?", "SELECT 1 -- ?\n, :p1", 1],
            ['SELECT /* ? /* ? */ ? */ ?', 'SELECT   :p1', 1],
            ['SELECT /* ? */ ?', 'SELECT /* ? */ :p1', 1],
            ["SELECT $$?'\\$$, \$x\$ ? \$y$ ? \$x$, ?", "SELECT E'?''\\\\', E' ? \$y$ ? ', :p1", 1],
            ["SELECT U&'\\0061 ?', ?", "SELECT U&'\\0061 ?', :p1", 1],
            ['SELECT a$1, ?::int', 'SELECT a$1, :p1::int', 1],
            ["SELECT j ?? 'k'", "SELECT j ?? 'k'", 0],
            ['SELECT 1', 'SELECT 1', 0],
            ["SELECT 'never closed ?", "SELECT 'never closed ?", 0],
        ];
    }

    public function test_two_kinds_of_placeholders_in_one_statement_are_refused(): void
    {
        $this->expectException(InvalidParams::class);
        Tokens::forPostgres('SELECT ?, $1');
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
            '/*M! SET x = 1 */' => [true, false, true],
        ];
        $blank = ['', " \n\x0b", ' ; ;', "-- c\n;", '/* c */ -- d', '/* open', '/**/', '/*/ */;', '/* a /* b */'];
        $cases += array_fill_keys($blank, [true, true, true]);
        $cases += array_fill_keys(['SELECT 1', '/* c */ x', "-- c\nx", '#', '(', '/', '-', 'ü'], [false, false, false]);
        foreach ($cases as $sql => $expected) {
            $found = array_map(static fn (string $dialect): bool => Tokens::isBlank($sql, $dialect), $dialects);
            self::assertSame($expected, $found, $sql);
        }
    }
}
