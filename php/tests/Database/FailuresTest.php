<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use ErrorException;
use Lyger\Database\Db;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** What a database's failures are to PHP: both engines are held to the same class, SQLSTATE and words. */
final class FailuresTest extends TestCase
{
    private static function failure(string $dsn, string $sql, array $params = []): LygerException
    {
        // An application's error handler makes exceptions of warnings: they must not come out instead of ours.
        set_error_handler(static function (int $level, string $message): bool {
            return (error_reporting() & $level) === 0 ? false : throw new ErrorException($message);
        });
        try {
            Db::connect($dsn)->query($sql, $params);
        } catch (LygerException $exception) {
            return $exception;
        } finally {
            restore_error_handler();
        }
        self::fail("$sql on $dsn");
    }

    public function unreachable(): array
    {
        $user = '~//[^@]*@~';
        return [
            'postgres, wrong password' => ['postgres', $user, '//lyger:wrong@', '28P01', 'authentication failed'],
            'postgres, no password' => ['postgres', $user, '//lyger@', '28P01', 'password'],
            'postgres, unknown user' => ['postgres', $user, '//nobody:x@', '28P01', 'authentication failed'],
            'postgres, unknown database' => ['postgres', '~/\w+$~D', '/nowhere', '3D000', '"nowhere" does not'],
            'postgres, unknown setting' => ['postgres', '~$~D', '?options=-c%20nope%3D1', '42704', 'parameter "nope"'],
            'postgres, nobody listens' => ['postgres', '~:\d+/~', ':1/', '08001', 'refused'],
            'postgres, no such host' => ['postgres', '~@[^/]*/~', '@no-host.invalid/', '08001', 'not known'],
            'mysql, wrong password' => ['mysql', $user, '//lyger:wrong@', '28000', 'Access denied'],
            'mysql, unknown user' => ['mysql', $user, '//no-one:x@', '28000', 'Access denied'],
            'mysql, unknown database' => ['mysql', '~/\w+$~D', '/stage_no', '42000', "Unknown database 'stage_no'"],
            'mysql, nobody listens' => ['mysql', '~:\d+/~', ':1/', '08001', 'refused'],
            'mysql, no such host' => ['mysql', '~@[^/]*/~', '@no-host.invalid/', '08001', 'not known'],
            'mysql, no such socket' => ['mysql', '~$~D', '?socket=/no/such', '08001', 'No such file'],
        ];
    }

    /** @dataProvider unreachable */
    public function test_a_login_that_fails_has_the_servers_sqlstate_and_words(
        string $name,
        string $pattern,
        string $replacement,
        string $sqlstate,
        string $words,
    ): void {
        $dsn = (string) preg_replace($pattern, $replacement, Databases::server($name), 1);
        $failure = self::failure($dsn, 'SELECT 1');
        self::assertSame([ConnectionFailed::class, $sqlstate], [$failure::class, $failure->sqlstate()]);
        self::assertStringContainsString($words, $failure->getMessage());
        self::assertStringNotContainsString('SQLSTATE', $failure->getMessage());
    }

    public function test_a_connection_is_never_less_encrypted_than_its_dsn_demands(): void
    {
        // The servers of these tests offer no TLS.
        foreach (['postgres' => ['require', 'verify-full'], 'mysql' => ['required', 'VERIFY_CA']] as $name => $modes) {
            foreach ($modes as $mode) {
                foreach (['sslmode', 'ssl-mode'] as $key) {
                    $failure = self::failure(Databases::server($name) . "?$key=$mode", 'SELECT 1');
                    self::assertSame([ConnectionFailed::class, '08001'], [$failure::class, $failure->sqlstate()]);
                }
            }
            $dsn = Databases::server($name) . '?sslmode=some';
            self::assertInstanceOf(InvalidDsn::class, self::failure($dsn, 'SELECT 1'));
        }
    }

    public function test_a_connection_that_the_server_ends_is_told_and_replaced(): void
    {
        $killed = [
            'postgres' => ['SELECT pg_terminate_backend(pg_backend_pid())', '57P01'],
            'mysql' => ['KILL CONNECTION_ID()', '70100'],
        ];
        foreach ($killed as $name => [$sql, $sqlstate]) {
            $failure = self::failure(Databases::server($name), $sql);
            self::assertSame([ConnectionFailed::class, $sqlstate], [$failure::class, $failure->sqlstate()]);
            self::assertSame('[{"a":1}]', Db::connect(Databases::server($name))->json('SELECT 1 AS a'));
        }
    }

    public function test_a_statement_of_comments_alone_is_empty_everywhere(): void
    {
        foreach (Databases::all() as [$dsn]) {
            foreach (['', " \n", ';', '-- c', '/* c */', " /* c */ -- d\n;"] as $sql) {
                $failure = self::failure($dsn, $sql);
                self::assertSame([QueryFailed::class, '42601'], [$failure::class, $failure->sqlstate()], $sql);
                self::assertStringContainsString('the statement is empty', $failure->getMessage());
            }
        }
    }

    public function test_copy_says_what_to_do_instead_and_leaves_no_harm(): void
    {
        $dsn = Databases::server('postgres');
        foreach (['COPY (SELECT 1) TO STDOUT', 'COPY pg_class FROM STDIN', '/**/ copy pg_class to stdout'] as $sql) {
            $failure = self::failure($dsn, $sql);
            self::assertSame([QueryFailed::class, '0A000'], [$failure::class, $failure->sqlstate()], $sql);
            self::assertStringContainsString('use INSERT and SELECT', $failure->getMessage());
            self::assertSame('[{"a":1}]', Db::connect($dsn)->json('SELECT 1 AS a'));
        }
    }

    public function test_a_value_that_is_none_of_its_placeholders_type_is_told_by_position(): void
    {
        $dsn = Databases::server('postgres');
        foreach ([[1, 'x'], [1, 5.5], [1, 99_999_999_999]] as $params) {
            $failure = self::failure($dsn, 'SELECT ?::int, ?::int', $params);
            self::assertSame([InvalidParams::class, '07001'], [$failure::class, $failure->sqlstate()]);
            self::assertStringStartsWith('parameter 2: ', $failure->getMessage());
        }
        self::assertSame('[{"a":1,"b":"0"}]', Db::connect($dsn)->json('SELECT ?::int a, ?::numeric b', [true, false]));
    }

    public function test_what_no_driver_takes_is_refused_before_it_sees_it(): void
    {
        foreach (["postgres://u@h/\xff", "sqlite:/tmp/\xff", 'sqlite:/' . str_repeat('x', 4096)] as $dsn) {
            self::assertInstanceOf(InvalidArgument::class, self::failure($dsn, 'SELECT 1'));
        }
        $long = "SELECT '" . str_repeat('x', 16 << 20) . "'";
        $failure = self::failure('sqlite::memory:', $long);
        self::assertInstanceOf(InvalidArgument::class, $failure);
        self::assertStringContainsString(strlen($long) . ' bytes and may have 16777216', $failure->getMessage());
    }
}
