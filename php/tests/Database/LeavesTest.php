<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Database\Fallback\Leaves;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** What pure PHP takes a statement to leave on its connection: tests/support/leaves.tsv, as the engine does. */
final class LeavesTest extends TestCase
{
    private const BYTES = ['{VT}' => "\v", '{CR}' => "\r", '{LF}' => "\n", '{SOH}' => "\x01", '{BOM}' => "\u{feff}"];

    public function test_what_a_statement_leaves_is_known(): void
    {
        $lines = file(dirname(__DIR__, 3) . '/tests/support/leaves.tsv', FILE_IGNORE_NEW_LINES) ?: [];
        foreach ($lines as $line) {
            if (str_starts_with($line, '#')) {
                continue;
            }
            [$names, $expected, $sql] = explode("\t", $line);
            foreach ($names === 'all' ? ['postgres', 'mysql', 'sqlite'] : explode(',', $names) as $dialect) {
                $leaves = strtolower(Leaves::of($dialect, strtr($sql, self::BYTES))->name);
                self::assertSame($expected, $leaves, "$dialect: $sql");
            }
        }
    }

    public function test_a_setting_in_the_dsn_holds_for_every_statement(): void
    {
        $dsn = Databases::server('postgres');
        $db = Db::connect("$dsn?options=-c%20search_path=shop");
        self::assertSame([['search_path' => 'shop']], $db->query('SHOW search_path'));
    }
}
