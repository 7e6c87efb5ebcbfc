<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Client;
use Lyger\Database\Db;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidDsn;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;

/** `reset` in a DSN: when a connection is put back to what it was. */
final class ResetTest extends SqlTestCase
{
    /** What makes a function that leaves something, and what shows it: a setting that PostgreSQL doesn't report, a lock. */
    private const FUNCTIONS = [
        'postgres' => [
            'CREATE FUNCTION %s() RETURNS int LANGUAGE plpgsql AS '
                . "$$ BEGIN PERFORM set_config('work_mem', '7MB', false); RETURN 1; END $$",
            "SELECT current_setting('work_mem') = '7MB'",
        ],
        'mysql' => [
            "CREATE FUNCTION %1\$s() RETURNS INT RETURN GET_LOCK('%1\$s', 0)",
            "SELECT IS_USED_LOCK('%1\$s') = CONNECTION_ID()",
        ],
    ];

    public function servers(): array
    {
        return array_diff_key(Databases::all(), ['sqlite' => true]) ?: ['none' => [null]];
    }

    /** @dataProvider servers */
    public function test_what_a_function_leaves_is_its_requests_where_the_dsn_says_so(?string $dsn): void
    {
        $dsn ??= Databases::server('postgres');
        [$create, $shows] = self::FUNCTIONS[Databases::name($dsn)];
        $name = Databases::table();
        Db::connect($dsn)->execute(sprintf($create, $name));
        $shows = sprintf($shows, $name);
        Client::end();
        $db = Db::connect("$dsn?reset=always");
        self::assertFalse((bool) $db->value($shows));
        foreach (['query', 'stream'] as $way) {
            $rows = $db->{$way}("SELECT $name() AS n");
            self::assertSame([['n' => 1]], is_array($rows) ? $rows : iterator_to_array($rows, false));
            self::assertTrue((bool) $db->value($shows), "$way: the request has one connection");
            Client::end();
            self::assertFalse((bool) $db->value($shows), $way);
        }
        Client::end();
        Db::connect($dsn)->execute("DROP FUNCTION $name");
    }

    /** @dataProvider servers */
    public function test_a_connection_with_nothing_known_on_it_is_missed_once_when_it_has_broken(?string $dsn): void
    {
        $dsn ??= Databases::server('postgres');
        [$id, $kill] = Databases::name($dsn) === 'postgres'
            ? ['SELECT pg_backend_pid()', 'SELECT pg_terminate_backend(?::int)'] : ['SELECT CONNECTION_ID()', 'KILL ?'];
        [$db, $admin] = [Db::connect("$dsn?reset=always"), Db::connect("$dsn?reset=told")];
        $connection = $db->value($id);
        $admin->execute($kill, [$connection]);
        for ($began = microtime(true), $failure = null; $failure === null && microtime(true) - $began < 60;) {
            try {
                self::assertSame($connection, $db->value($id)); // the server takes a moment
            } catch (ConnectionFailed $failure) {
            }
        }
        self::assertNotNull($failure);
        self::assertNotSame($connection, $db->value($id));
        Client::end();
    }

    public function test_what_is_not_known_of_resets_is_an_error_of_both_engines(): void
    {
        foreach (['postgres://u@h/d?reset=never', 'mysql://u@h/d?reset=never'] as $dsn) {
            try {
                Db::connect($dsn)->value('SELECT 1');
                self::fail($dsn);
            } catch (InvalidDsn $exception) {
                $expected = 'invalid DSN: unknown value "never" for reset, which is one of told, changed, always';
                self::assertSame($expected, $exception->getMessage());
            }
        }
    }
}
