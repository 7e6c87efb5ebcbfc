<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Exception;
use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\LygerException;
use Lyger\Tests\Support\SqlTestCase;
use SensitiveParameter as Hidden;
use Throwable;

/** No password of a DSN is in what a failing operation shows. */
final class SecretsTest extends SqlTestCase
{
    private const SECRET = 'hunter2secret';

    /** @dataProvider operations */
    public function test_no_exception_has_the_password_of_its_dsn(callable $operation): void
    {
        // As development has it: exceptions print the arguments of each call, whole.
        $before = [ini_set('zend.exception_ignore_args', '0'), ini_set('zend.exception_string_param_max_len', '4096')];
        try {
            $shown = (static fn (string $given): Throwable => new Exception())('for all to see');
            self::assertStringContainsString('for all to see', self::arguments($shown));
            foreach (self::dsns() as $dsn) {
                $exception = self::thrown($operation, $dsn);
                self::assertContains($exception::class, [ConnectionFailed::class, InvalidDsn::class]);
                $printed = (string) $exception;
                for ($one = $exception; $one !== null; $one = $one->getPrevious()) {
                    $printed .= self::arguments($one);
                }
                // PHP 8.1 knows no parameter that is kept out of a trace; the rest holds there as well.
                $printed = PHP_VERSION_ID >= 80200 ? $printed : $exception->getMessage();
                self::assertStringNotContainsString(self::SECRET, $printed);
            }
        } finally {
            ini_set('zend.exception_ignore_args', (string) $before[0]);
            ini_set('zend.exception_string_param_max_len', (string) $before[1]);
        }
    }

    /** @return array<string, array{callable(string): mixed}> */
    public static function operations(): array
    {
        return [
            'query' => [static fn (#[Hidden] string $dsn) => Db::connect($dsn)->query('SELECT 1')],
            'json' => [static fn (#[Hidden] string $dsn) => Db::connect($dsn)->json('SELECT 1')],
            'execute' => [static fn (#[Hidden] string $dsn) => Db::connect($dsn)->execute('SELECT 1')],
            'stream' => [static fn (#[Hidden] string $dsn) =>
                iterator_to_array(Db::connect($dsn)->stream('SELECT 1'))],
            'begin' => [static fn (#[Hidden] string $dsn) => Db::connect($dsn)->begin()],
            'transaction' => [static fn (#[Hidden] string $dsn) =>
                Db::connect($dsn)->transaction(static fn () => null)],
            'dbQuery' => [static fn (#[Hidden] string $dsn) => Engine::getInstance()->dbQuery($dsn, 'SELECT 1')],
            'dbQueryJson' => [static fn (#[Hidden] string $dsn) =>
                Engine::getInstance()->dbQueryJson($dsn, 'SELECT 1')],
            'dbExecute' => [static fn (#[Hidden] string $dsn) => Engine::getInstance()->dbExecute($dsn, 'SELECT 1')],
        ];
    }

    public function test_a_database_prints_no_password(): void
    {
        foreach (self::dsns() as $dsn) {
            try {
                $printed = print_r(Db::connect($dsn), true);
            } catch (LygerException $exception) {
                self::assertContains($exception::class, [ConnectionFailed::class, InvalidDsn::class]);
                $printed = (string) $exception;
            }
            self::assertStringNotContainsString(self::SECRET, $printed);
        }
    }

    public function test_the_engine_prints_no_password_of_the_last_statement(): void
    {
        foreach (self::dsns() as $dsn) {
            self::thrown(static fn (#[Hidden] string $dsn) => Db::connect($dsn)->query('SELECT 1'), $dsn);
            $printed = print_r(Engine::getInstance(), true); // some megabytes, which no message should have
            self::assertFalse(str_contains($printed, self::SECRET));
        }
    }

    /** @return list<string> servers that aren't there, and a DSN that is none */
    private static function dsns(): array
    {
        return [
            'postgres://u:' . self::SECRET . '@127.0.0.1:1/d',
            'mysql://u:' . self::SECRET . '@127.0.0.1:1/d',
            'postgres://u@127.0.0.1:1/d?password=' . self::SECRET,
            'mysql://u:' . self::SECRET . '@127.0.0.1:1/d?ssl_mode=required',
            'postgres://u:' . self::SECRET . '@127.0.0.1:bad/d',
        ];
    }

    /** Every string that the calls of a trace were given. */
    private static function arguments(Throwable $exception): string
    {
        $strings = [];
        $trace = $exception->getTrace();
        array_walk_recursive($trace, static function (mixed $value) use (&$strings): void {
            $strings[] = is_string($value) ? $value : '';
        });
        return implode("\n", $strings);
    }

    /** @param callable(string): mixed $operation */
    private static function thrown(callable $operation, #[Hidden] string $dsn): Throwable
    {
        try {
            $operation($dsn);
        } catch (LygerException $exception) {
            return $exception;
        }
        self::fail('nothing was thrown');
    }
}
