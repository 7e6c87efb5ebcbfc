<?php

declare(strict_types=1);

namespace Lyger\Tests;

use Lyger\Config;
use Lyger\Exception\InvalidConfig;
use PHPUnit\Framework\TestCase;
use stdClass;

final class ConfigTest extends TestCase
{
    public function test_a_value_of_any_other_kind_is_named_and_never_an_error_of_php(): void
    {
        $scalars = [null, true, false, -1, PHP_INT_MAX, 1.5, NAN, '', 'x', "\xff"];
        $values = [...$scalars, [], [[]], [null], [new stdClass()], new stdClass()];
        foreach (Config::KEYS as $key => $default) {
            foreach ($values as $value) {
                try {
                    $config = Config::resolve([$key => $value]);
                    json_decode($config->forServer(), true, 512, JSON_THROW_ON_ERROR);
                    json_decode($config->forEngine(), true, 512, JSON_THROW_ON_ERROR);
                    self::assertFalse(is_object($value), $key);
                } catch (InvalidConfig $exception) {
                    self::assertStringStartsWith("$key is ", $exception->getMessage());
                }
            }
        }
    }

    public function test_the_host_is_an_address_or_localhost(): void
    {
        foreach (['127.0.0.1', '0.0.0.0', '::1', '::', 'localhost'] as $host) {
            self::assertSame($host, Config::resolve(['host' => $host])->text('host'));
        }
        foreach (['', 'example.org', '127.0.0.1:80', '[::1]', '256.1.1.1', "127.0.0.1\n", 'LOCALHOST'] as $host) {
            try {
                Config::resolve(['host' => $host]);
                self::fail($host);
            } catch (InvalidConfig $exception) {
                self::assertSame($host, $exception->value());
            }
        }
    }

    public function test_there_are_as_many_workers_as_cores_unless_somebody_asks(): void
    {
        if (PHP_OS_FAMILY !== 'Linux') {
            self::markTestSkipped('one worker elsewhere');
        }
        $config = Config::resolve();
        self::assertSame((int) shell_exec('nproc'), $config->int('workers'));
        self::assertFalse($config->isAsked('workers'));
        $config = Config::resolve(['workers' => '3']);
        self::assertSame([3, true], [$config->int('workers'), $config->isAsked('workers')]);
        self::assertSame(1, $config->alone()->int('workers'));
    }
}
