<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Tests\Support\RefusedStatements;
use PHPUnit\Framework\TestCase;

/** What would stay with a connection is refused before there is any, by the native engine: tests/support/statements.tsv. */
final class RefusalTest extends TestCase
{
    public function statements(): array
    {
        return RefusedStatements::all();
    }

    /** @dataProvider statements */
    public function test_a_statement_that_reaches_beyond_itself_is_refused(string $dsn, string $sql, string $what): void
    {
        [$start, $sqlstate] = match ($what) {
            'run' => ['', ''],
            'transaction' => ['a transaction needs one connection', '25000'],
            default => ["$what stays with the connection, ", '0A000'],
        };
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('pure PHP keeps the connection instead: needs the native engine');
        }
        $exception = null;
        try {
            Db::connect($dsn)->execute($sql);
        } catch (LygerException $exception) {
        }
        if ($what === 'run') {
            self::assertStringNotContainsString('stays with the connection', (string) $exception?->getMessage(), $sql);
            self::assertStringNotContainsString('a transaction needs', (string) $exception?->getMessage(), $sql);
            return;
        }
        self::assertInstanceOf(QueryFailed::class, $exception, $sql);
        self::assertStringStartsWith($start, $exception->getMessage());
        self::assertSame($sqlstate, $exception->sqlstate());
    }

    public function test_a_setting_in_the_dsn_holds_for_every_statement(): void
    {
        $dsn = (string) getenv('LYGER_TEST_POSTGRES');
        if ($dsn === '') {
            self::markTestSkipped('needs PostgreSQL: tests/support/with-services');
        }
        $db = Db::connect("$dsn?options=-c%20search_path=shop");
        self::assertSame([['search_path' => 'shop']], $db->query('SHOW search_path'));
    }
}
