<?php

declare(strict_types=1);

namespace Lyger\Tests\Config;

use Lyger\Config\Toml;
use Lyger\Config\TomlEntry;
use Lyger\Exception\InvalidConfig;
use PHPUnit\Framework\TestCase;

final class TomlTest extends TestCase
{
    /** @return array<string, mixed> by key; a section is null */
    private static function read(string $text): array
    {
        $read = [];
        foreach ((new Toml('f', $text))->entries() as $entry) {
            $read[$entry->key] = $entry->value;
        }
        return $read;
    }

    public function test_keys_sections_and_values_are_read_as_toml_means_them(): void
    {
        $text = <<<'TOML'
            # A comment, é
            a = 1_000 # and another
            b-2.c = -5
              d . e = "tab \t, quote \", \\, \n, #"
            f = 'C:\raw'
            g = true
            h = [ "x", 'y', # inside
              "z",
            ]
            i = []

            [db]
            max = +0
            [ cache . deep ]
            on = false
            TOML;
        $wanted = [
            'a' => 1000,
            'b-2.c' => -5,
            'd.e' => "tab \t, quote \", \\, \n, #",
            'f' => 'C:\\raw',
            'g' => true,
            'h' => ['x', 'y', 'z'],
            'i' => [],
            'db' => null,
            'db.max' => 0,
            'cache.deep' => null,
            'cache.deep.on' => false,
        ];
        self::assertSame($wanted, self::read($text));
        self::assertSame($wanted, self::read("\u{FEFF}" . strtr($text, ["\n" => "\r\n"])));
        self::assertSame([], self::read(''));
        self::assertSame(['a' => PHP_INT_MIN], self::read('a=-9223372036854775808'));
    }

    public function test_it_is_known_where_a_key_and_its_value_stand(): void
    {
        $entries = (new Toml('f', "\u{FEFF}a=1\r\n\n[s]\n  k = [\n'é'] # x\nl =  2"))->entries();
        $places = array_map(static fn (TomlEntry $entry): array => [$entry->place, $entry->valuePlace], $entries);
        self::assertSame([['f:1:1', 'f:1:3'], ['f:3:2', 'f:3:2'], ['f:4:3', 'f:4:7'], ['f:6:1', 'f:6:6']], $places);
    }

    /** @dataProvider wrong */
    public function test_what_is_not_understood_is_named_with_its_line_and_column(string $text, string $message): void
    {
        try {
            self::read($text);
            self::fail('read');
        } catch (InvalidConfig $exception) {
            self::assertStringStartsWith("f:$message", $exception->getMessage());
        }
    }

    /** @return list<array{string, string}> */
    public function wrong(): array
    {
        return [
            ["a = 1\na = 2", '2:1: a is there already, at f:1:1'],
            ["[a]\nb = 1\n[a]", '3:2: a is there already, at f:1:2'],
            ["a.b = 1\n[a]", '2:2: a is there already, at f:1:1'],
            ["a.b = 1\na = 1", '2:1: a is there already, at f:1:1'],
            ["a = 1\na.b = 1", '2:1: a is there already, at f:1:1'],
            ["a = 1\n[a.b]", '2:2: a is a value, at f:1:1'],
            ["[a.b]\n[a]\nb = 1", '3:1: a.b is there already, at f:1:2'],
            ["[a.b]\n[a]\nb.c = 1", '3:1: a.b is there already, at f:1:2'],
            ['a', '1:2: a key is followed by ='],
            ['a.', '1:3: a key is made of'],
            ['= 1', '1:1: a key is made of'],
            ['"a" = 1', '1:1: keys are written without quotes'],
            ['[[a]]', '1:2: lists of sections'],
            ['[a', '1:3: a section ends with ]'],
            ['[a] b = 1', '1:5: the line must end here'],
            ['a = 1 b = 2', '1:7: the line must end here'],
            ["a = 1\rb = 2", '1:6: a control character'],
            ["# a\x07", '1:4: a control character'],
            ['a =', '1:4: a value is missing'],
            ['a = # b', '1:5: a value is missing'],
            ['host = localhost', '1:8: localhost is no value here'],
            ['a = 1.5', '1:5: 1.5 is no value here'],
            ['a = 007', '1:5: 007 is no value here'],
            ['a = 1__0', '1:5: 1__0 is no value here'],
            ['a = 0x1f', '1:5: 0x1f is no value here'],
            ['a = 2026-01-01', '1:5: 2026-01-01 is no value here'],
            ['a = truely', '1:5: truely is no value here'],
            ['a = { b = 1 }', '1:5: { is no value here'],
            ['a = 9223372036854775808', '1:5: 9223372036854775808 is too large'],
            ['a = "b', '1:5: a string ends on its line'],
            ["a = 'b\n'", '1:5: a string ends on its line'],
            ['a = """b"""', '1:5: strings of several lines'],
            ["é = 1", '1:1: a key is made of'],
            ['a = "é\é"', '1:7: a backslash stands before'],
            ['a = "é\u00e9"', '1:7: a backslash stands before'],
            ["a = [\n'x', 1]", '2:6: a list is made of strings'],
            ["a = ['x' 'y']", '1:10: after a string of a list'],
            ["a = ['x',", '1:10: a list is made of strings'],
            ["a = ['x'\n\n", '3:1: after a string of a list'],
            ["a = 1\nb = 'é\xff'", '2:7: a byte that is not UTF-8'],
            ["\xe0\x80\x80", '1:1: a byte that is not UTF-8'],
        ];
    }

    public function test_no_bytes_are_an_error_of_php(): void
    {
        mt_srand(7);
        $parts = ['a', '.', ' ', '=', "\n", "\r\n", '[', ']', '"', "'", '\\', '#', ',', '1', '_', 'é', "\xff", "\0"];
        for ($round = 0; $round < 5_000; $round++) {
            for ($text = '', $length = mt_rand(0, 12); $length > 0; $length--) {
                $text .= $parts[mt_rand(0, count($parts) - 1)];
            }
            try {
                self::assertIsArray(self::read($text));
            } catch (InvalidConfig $exception) {
                self::assertMatchesRegularExpression('/^f:\d+:\d+: /', $exception->getMessage(), $text);
            }
        }
        // As long as a file may be, and of the kind that regular expressions give up on.
        self::assertIsArray(self::read('a = "' . str_repeat('é', 32_000) . '"'));
        self::assertIsArray(self::read(str_repeat('# ' . str_repeat('x', 99) . "\n", 640)));
        self::assertIsArray(self::read('a = [' . str_repeat('"x",', 16_000) . ']'));
    }
}
