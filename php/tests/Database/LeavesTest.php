<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Fallback\Leaves;
use Lyger\Tests\Support\RefusedStatements;
use PHPUnit\Framework\TestCase;

/** What pure PHP takes a statement to leave on its connection. */
final class LeavesTest extends TestCase
{
    public function test_what_stays_with_a_connection_is_seen(): void
    {
        foreach (RefusedStatements::all() as $case => [$dsn, $sql, $what]) {
            $leaves = Leaves::of(explode(':', $case)[0], $sql);
            $isAtLeast = match ($what) {
                'run' => true,
                'transaction' => $leaves === Leaves::Transaction || $leaves === Leaves::Session,
                default => $leaves === Leaves::Session,
            };
            self::assertTrue($isAtLeast, "$case leaves {$leaves->name}");
        }
    }

    public function test_everyday_statements_leave_nothing_and_an_end_leaves_none_of_a_transaction(): void
    {
        foreach (['postgres', 'mysql', 'sqlite'] as $dialect) {
            foreach (
                ['SELECT 1', 'INSERT INTO t VALUES (1)', 'UPDATE t SET a = 1', "SELECT 'BEGIN'", '-- BEGIN',
                    'DROP TABLE t', 'CREATE TABLE temp (temporary int)', 'WITH a AS (SELECT 1) SELECT * FROM a'] as $sql
            ) {
                self::assertSame(Leaves::Nothing, Leaves::of($dialect, $sql), "$dialect: $sql");
            }
            foreach (['COMMIT', 'rollback', '/* x */ ROLLBACK'] as $sql) {
                self::assertSame(Leaves::End, Leaves::of($dialect, $sql), "$dialect: $sql");
            }
            foreach (['ROLLBACK TO SAVEPOINT a', 'ROLLBACK TO a', 'RELEASE SAVEPOINT a'] as $sql) {
                self::assertSame(Leaves::Transaction, Leaves::of($dialect, $sql), "$dialect: $sql");
            }
        }
    }
}
