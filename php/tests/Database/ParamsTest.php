<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Bytes;
use Lyger\Database\Params;
use Lyger\Exception\InvalidParams;
use Lyger\Tests\Routing\Suit;
use PHPUnit\Framework\TestCase;

final class ParamsTest extends TestCase
{
    public function test_every_kind_of_value_has_its_tag(): void
    {
        self::assertSame('', Params::pack([]));
        $packed = Params::pack([null, false, true, PHP_INT_MIN, -0.5, "a\0ü", new Bytes("\0\xff"), Suit::Hearts]);
        self::assertSame(
            "\x08\0\0\0" . "\0\1\2" . "\3\0\0\0\0\0\0\0\x80" . "\4\0\0\0\0\0\0\xe0\xbf" . "\5\4\0\0\0a\0ü"
            . "\6\2\0\0\0\0\xff" . "\5\1\0\0\0h",
            $packed,
        );
    }

    public function test_names_stand_before_their_values_and_lists_count_theirs(): void
    {
        self::assertSame(
            "\xff\xff\xff\xff\2\0\0\0" . "\2\0\0\0ü\2" . "\1\0\0\0b\7\2\0\0\0\0\5\1\0\0\0h",
            Params::pack(['ü' => true, ':b' => ['x' => null, 'y' => Suit::Hearts]]),
        );
        self::assertSame("\1\0\0\0\7\0\0\0\0", Params::pack([7 => []]));
    }

    public function test_positions_are_in_the_order_of_the_keys_and_lists_in_their_own(): void
    {
        self::assertSame(['a', 'b', ['x', 'w']], Params::normalize([7 => ['x', 'w'], 3 => 'b', 1 => 'a'])->values);
        self::assertSame([['x', 'w']], Params::normalize([[5 => 'x', 2 => 'w']])->values);
    }

    public function test_a_time_is_text_in_utc_that_every_database_takes(): void
    {
        $zone = new \DateTimeZone('+02:00');
        $given = Params::normalize([
            new \DateTimeImmutable('2024-01-02 01:04:05', $zone),
            [new \DateTime('2024-01-02T03:04:05.060700Z')],
        ]);
        self::assertSame(['2024-01-01 23:04:05', ['2024-01-02 03:04:05.060700']], $given->values);
    }

    /** @dataProvider wrong */
    public function test_what_cannot_be_bound_is_named(array $params, string $message): void
    {
        $this->expectException(InvalidParams::class);
        $this->expectExceptionMessage($message);
        Params::pack($params);
    }

    public function wrong(): array
    {
        return [
            [[1, [[]]], 'parameter 2: a list holds values, and no list'],
            [['a' => [1, [2]]], 'parameter :a: a list holds values, and no list'],
            [[1, tmpfile()], 'parameter 2: null, bool, int, float, string and Bytes are bound, not resource'],
            [[new \stdClass()], 'not stdClass'],
            [['x', "\xff"], 'parameter 2: the string is not valid UTF-8'],
            [[1, ['x', "\xff"]], 'parameter 2: the string is not valid UTF-8'],
            [['a' => "\xff"], 'parameter :a: the string is not valid UTF-8'],
            [["\xff" => 1], 'the name of a parameter is not valid UTF-8'],
            [['id' => 5, 6], 'the parameters have names ("id") and positions'],
            [[6, ':id' => 5], 'the parameters have names ("id") and positions'],
            [['id' => 5, ':id' => 6], 'parameter :id: it is given twice'],
            [[':1' => new \stdClass()], 'parameter :1: null'],
        ];
    }
}
