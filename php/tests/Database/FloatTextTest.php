<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Core\NativeEngine;
use Lyger\Core\Library;
use Lyger\Database\Fallback\FloatText;
use PHPUnit\Framework\TestCase;

final class FloatTextTest extends TestCase
{
    /** @dataProvider doubles */
    public function test_doubles_have_the_engines_digits(float $value, string $text): void
    {
        self::assertSame($text, FloatText::double($value));
    }

    public function doubles(): array
    {
        return [
            [0.0, '0.0'], [-0.0, '-0.0'], [1.0, '1.0'], [-1.5, '-1.5'], [0.1, '0.1'], [
                0.1 + 0.2,
                '0.30000000000000004',
            ],
            [1e15, '1000000000000000.0'], [1e16, '1e+16'], [123456789012345680.0, '1.2345678901234568e+17'],
            [1e-5, '0.00001'], [1e-6, '1e-6'], [1.5e-7, '1.5e-7'], [5e-324, '5e-324'], [100.0, '100.0'],
            [1.7976931348623157e308, '1.7976931348623157e+308'], [9007199254740993.0, '9007199254740992.0'],
            [NAN, 'null'], [INF, 'null'], [-INF, 'null'],
        ];
    }

    /** @dataProvider singles */
    public function test_singles_have_a_wider_plain_range_below_and_a_narrower_above(string $digits, string $text): void
    {
        self::assertSame($text, FloatText::single($digits));
    }

    public function singles(): array
    {
        return [
            ['0.1', '0.1'], ['1', '1.0'], ['0', '0.0'], ['-0', '-0.0'], ['1e-06', '0.000001'], ['1.5e-07', '1.5e-7'],
            ['1e+12', '1000000000000.0'], ['1e+13', '1e+13'], ['3.4028235e+38', '3.4028235e+38'], ['NaN', 'null'],
        ];
    }

    public function test_thousands_of_doubles_are_written_as_the_library_writes_them(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library');
        }
        $native = NativeEngine::load(new Library());
        mt_srand(20240102);
        for ($round = 0; $round < 40; $round++) {
            $values = [];
            for ($i = 0; $i < 250; $i++) {
                $random = unpack('e', pack('VV', mt_rand(0, 0xffffffff), mt_rand(0, 0xffffffff)))[1];
                $values[] = match (true) {
                    $i % 4 === 0 && is_finite($random) => $random,
                    $i % 4 === 1 => mt_rand(-1_000_000, 1_000_000) / 100.0,
                    $i % 4 === 2 => mt_rand() * 10.0 ** mt_rand(-25, 20),
                    default => 2.0 ** mt_rand(-1074, 1023),
                };
            }
            $sql = 'SELECT column1 AS v FROM (VALUES ' . implode(', ', array_fill(0, count($values), '(?)')) . ')';
            $result = $native->execute('sqlite::memory:', $sql, $values);
            $expected = implode(
                ',',
                array_map(static fn (float $v): string => '{"v":' . FloatText::double($v) . '}', $values),
            );
            self::assertSame("[$expected]", $native->json($result));
            self::assertSame(array_map(static fn (float $v): array => ['v' => $v], $values), $native->rows($result));
            $native->free($result);
        }
    }
}
