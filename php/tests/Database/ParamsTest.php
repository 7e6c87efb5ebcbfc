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
            [[1, []], 'parameter 2: null, bool, int, float, string and Bytes are bound, not array'],
            [[new \stdClass()], 'not stdClass'],
            [['x', "\xff"], 'parameter 2: the string is not valid UTF-8'],
            [['id' => 5], 'by position, not by name ("id")'],
        ];
    }
}
