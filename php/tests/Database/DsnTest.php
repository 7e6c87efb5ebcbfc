<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Database\Fallback\Dsn;
use Lyger\Exception\InvalidDsn;
use PHPUnit\Framework\TestCase;

final class DsnTest extends TestCase
{
    public function test_urls_are_decoded(): void
    {
        $dsn = Dsn::parse('postgres://us%40er:p%2Fs%3As@host:6543/my%20db?sslmode=disable&application_name=a+b');
        self::assertSame(['postgres', 'host', 6543], [$dsn->dialect, $dsn->host, $dsn->port]);
        self::assertSame(['us@er', 'p/s:s', 'my db'], [$dsn->user, $dsn->password, $dsn->database]);
        self::assertSame(['sslmode' => 'disable', 'application_name' => 'a b'], $dsn->options);
        $dsn = Dsn::parse('mariadb://u@[::1]/d');
        self::assertSame(['mysql', '::1', 'd'], [$dsn->dialect, $dsn->host, $dsn->database]);
        self::assertSame('/tmp', Dsn::parse('postgresql:///d?host=/tmp')->options['host']);
        $dsn = Dsn::parse('mysql://u@h/d?reset=always');
        self::assertSame([true, []], [$dsn->resetsAlways, $dsn->options]);
        self::assertFalse(Dsn::parse('postgres://u@h/d?reset=changed')->resetsAlways);
    }

    public function test_paths_of_sqlite_are_taken_literally(): void
    {
        $paths = [
            'sqlite:/a b/%20?x.db' => '/a b/%20?x.db', 'sqlite:///abs.db' => '/abs.db', 'sqlite://rel.db' => 'rel.db',
            'rel.db' => 'rel.db', 'sqlite::memory:' => ':memory:', 'C:\\x.db' => 'C:\\x.db',
        ];
        foreach ($paths as $text => $path) {
            self::assertSame(['sqlite', $path], [Dsn::parse($text)->dialect, Dsn::parse($text)->database]);
        }
    }

    public function test_no_password_is_ever_printed(): void
    {
        self::assertSame('postgres://u:***@h/d?port=1', (string) Dsn::parse('postgres://u:hunter2@h/d?port=1'));
        $dsn = (string) Dsn::parse('postgres:///d?password=hunter2&port=1');
        self::assertSame('postgres:///d?password=***&port=1', $dsn);
        foreach (['postgres://u:hunter2#x@h/d', 'postgres://u:hunter2@h:bad/d'] as $text) {
            try {
                Dsn::parse($text);
                self::fail($text);
            } catch (InvalidDsn $exception) {
                self::assertStringNotContainsString('hunter2', $exception->getMessage());
            }
        }
    }

    public function test_a_parameter_of_postgresql_that_is_not_known_is_named_with_the_nearest(): void
    {
        $dsn = Dsn::parse('postgres://u@h/d?ssl-mode=require&options[work_mem]=7%20MB');
        self::assertSame(['sslmode' => 'require', 'options' => '-c work_mem=7\\ MB'], $dsn->options);
        $this->expectException(InvalidDsn::class);
        $this->expectExceptionMessage('unknown parameter "ssl_mode"; the nearest that is known is sslmode');
        Dsn::parse('postgres://u@h/d?ssl_mode=require');
    }

    public function test_a_parameter_of_mysql_that_is_not_known_is_named_with_the_nearest(): void
    {
        $dsn = Dsn::parse('mysql://u@h/d?ssl-mode=VERIFY_CA&sslca=/a&ssl-key=/b&socket=/c');
        $expected = ['sslmode' => 'verify_ca', 'ssl-ca' => '/a', 'ssl-key' => '/b', 'socket' => '/c'];
        self::assertSame($expected, $dsn->options);
        $this->expectException(InvalidDsn::class);
        $this->expectExceptionMessage('unknown parameter "ssl_mode"; the nearest that is known is ssl-mode');
        Dsn::parse('mysql://u@h/d?ssl_mode=required');
    }

    public function test_a_mistyped_dsn_of_a_server_is_no_path_and_its_password_stays_unsaid(): void
    {
        $mistyped = [
            'mysql//user:hunter2@host/db', 'mysql/user:hunter2@host/db', 'MariaDB//user@host/db',
            'mysql;//user:hunter2@host/db', 'postgres:/user:hunter2@host/db', 'postgres:user:hunter2@host/db',
            'postgresql //user:hunter2@host/db', ' postgres://user:hunter2@host/db',
            'DSN=postgres://user:hunter2@host/db', '//user:hunter2@host/db', 'p:/user:hunter2@host/db',
        ];
        foreach ($mistyped as $text) {
            $said = [];
            foreach ([Dsn::parse(...), static fn (string $dsn) => Db::connect($dsn)->value('SELECT 1')] as $ask) {
                try {
                    $ask($text);
                    self::fail($text);
                } catch (InvalidDsn $exception) {
                    self::assertStringNotContainsString('hunter2', $exception->getMessage());
                    $said[] = $exception->getMessage();
                }
            }
            self::assertSame($said[0], $said[1], 'both engines say the same');
        }
        $paths = [
            '/var/data/shop@home.sqlite', '/var//data/shop@home.sqlite', 'mysql-copy/shop@home.sqlite',
            'mysql/shop.sqlite', 'postgres.sqlite', 'C:\\shop@home.db', 'C:/data/shop@home.db',
            'file:///data/shop@home.db?mode=ro',
        ];
        foreach ($paths as $path) {
            self::assertSame(['sqlite', $path], [Dsn::parse($path)->dialect, Dsn::parse($path)->database]);
        }
        self::assertSame('mysql//a:b@c', Dsn::parse('sqlite://mysql//a:b@c')->database);
    }

    public function test_what_is_no_dsn_is_refused_with_a_hint(): void
    {
        foreach (['mysql:host=localhost', 'pgsql:host=x', 'redis://h', '', 'sqlite:', "a\0b"] as $text) {
            try {
                Dsn::parse($text);
                self::fail($text);
            } catch (InvalidDsn $exception) {
                self::assertStringStartsWith('invalid DSN: ', $exception->getMessage());
            }
        }
    }
}
