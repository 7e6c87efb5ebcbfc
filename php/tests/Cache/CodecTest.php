<?php

declare(strict_types=1);

namespace Lyger\Tests\Cache;

use ArrayObject;
use DateTimeImmutable;
use Lyger\Cache\Codec;
use Lyger\Cache\Format\Igbinary;
use Lyger\Exception\CacheValueUnreadable;
use Lyger\Exception\InvalidArgument;
use PHPUnit\Framework\TestCase;
use stdClass;

/** What is written and read, and that nobody makes objects here by writing into the cache. */
final class CodecTest extends TestCase
{
    /** @return array<string, array{bool}> */
    public static function formats(): array
    {
        return ['serialize()' => [false], 'igbinary' => [true]];
    }

    private static function codec(array|bool $classes, bool $igbinary): Codec
    {
        if ($igbinary && !extension_loaded('igbinary')) {
            self::markTestSkipped('runs where ext-igbinary is loaded');
        }
        return new Codec($classes, $igbinary);
    }

    /** @dataProvider formats */
    public function test_objects_of_other_classes_are_refused_when_they_are_written(bool $igbinary): void
    {
        foreach ([new Alarm(), [1, ['deep' => new Alarm()]], Colour::Red, [Colour::Red, Colour::Red]] as $value) {
            try {
                self::codec(Codec::CLASSES, $igbinary)->encode($value);
                self::fail('written');
            } catch (InvalidArgument $exception) {
                self::assertStringContainsString('allowedClasses', $exception->getMessage());
            }
        }
    }

    /** @dataProvider formats */
    public function test_objects_of_other_classes_are_never_made_whoever_wrote_them(bool $igbinary): void
    {
        $trusting = self::codec(true, $igbinary);
        $object = new stdClass();
        $object->inside = [new Alarm()];
        $values = [new Alarm(), [1, 'x' => new Alarm()], $object, Colour::Red, [new stdClass(), [new Alarm()]]];
        $values[] = [new stdClass(), 'Lyger\\Tests\\Cache\\Alarm', new Alarm()];
        $values[] = new ArrayObject([new Alarm()]);
        foreach ($values as $at => $value) {
            $bytes = $trusting->encode($value);
            foreach ([[], Codec::CLASSES, false] as $classes) {
                Alarm::$rung = 0;
                try {
                    self::codec($classes, $igbinary)->decode($bytes);
                    self::fail("value $at was read");
                } catch (CacheValueUnreadable $exception) {
                    self::assertStringContainsString('allowedClasses', $exception->getMessage());
                    self::assertSame(0, Alarm::$rung);
                }
            }
            self::assertEquals($value, $trusting->decode($bytes));
        }
        Alarm::$rung = 0;
        $trusting->decode($trusting->encode(new Alarm()));
        self::assertGreaterThan(0, Alarm::$rung, 'it would have been heard');
    }

    /** @dataProvider formats */
    public function test_classes_that_are_allowed_are_made(bool $igbinary): void
    {
        $codec = self::codec([...Codec::CLASSES, Alarm::class, Colour::class], $igbinary);
        $value = [new Alarm(), Colour::Red, Colour::Red, new DateTimeImmutable('2024-01-02'), [new Alarm()]];
        self::assertEquals($value, $codec->decode($codec->encode($value)));
    }

    /** @dataProvider formats */
    public function test_what_the_code_of_a_class_has_to_say_makes_no_value_unreadable(bool $igbinary): void
    {
        $codec = self::codec([Waking::class], $igbinary);
        $bytes = $codec->encode(new Waking());
        $heard = [];
        set_error_handler(static function (int $level, string $message) use (&$heard): bool {
            return (bool) ($heard[] = [$level, $message]);
        });
        try {
            self::assertInstanceOf(Waking::class, $codec->decode($bytes));
            // Their own notices still count.
            foreach ([substr($bytes, 0, -4), "\0px:1"] as $broken) {
                try {
                    $codec->decode($broken);
                    self::fail('read');
                } catch (CacheValueUnreadable $exception) {
                    self::assertNotSame('', $exception->getMessage());
                }
            }
        } finally {
            restore_error_handler();
        }
        self::assertSame([E_WARNING, E_USER_DEPRECATED], array_column($heard, 0));
        self::assertSame('the class is old', $heard[1][1]);
    }

    /** @dataProvider formats */
    public function test_text_that_looks_like_an_object_is_text(bool $igbinary): void
    {
        $codec = self::codec([], $igbinary);
        $texts = [';O:5:"Alarm":0:{}', '{O:8:"stdClass":0:{}}', "\x17\x05Alarm\x14\x00", str_repeat('x', 23)];
        foreach ($texts as $text) {
            $value = [$text, 'k' => $text, 23, 0x17];
            self::assertSame($value, $codec->decode($codec->encode($value)));
        }
    }

    public function test_what_a_redis_client_wrote_is_a_string_or_the_number_that_it_is_written_as(): void
    {
        $codec = self::codec([], false);
        self::assertSame([12, -3, 1.5], array_map($codec->decode(...), ['12', '-3', '1.50']));
        foreach (['012', 'abc', '', "\0binary", '{"a":1}', '1e5', ' 7', '-0'] as $text) {
            self::assertSame($text, $codec->decode($text));
        }
    }

    /** @dataProvider formats */
    public function test_bytes_that_are_cut_or_changed_never_become_an_object(bool $igbinary): void
    {
        $value = [1, 'text' => ['deep', 2.5, null], new Alarm(), 'more' => [true]];
        $bytes = self::codec(true, $igbinary)->encode($value);
        $codec = self::codec([], $igbinary);
        mt_srand(6);
        $refused = 0;
        for ($time = 0; $time < 5_000; $time++) {
            $changed = $bytes;
            for ($byte = mt_rand(1, 3); $byte > 0; $byte--) {
                $changed[mt_rand(4, strlen($changed) - 1)] = chr(mt_rand(0, 255));
            }
            $changed = mt_rand(0, 3) === 0 ? substr($changed, 0, mt_rand(4, strlen($changed))) : $changed;
            Alarm::$rung = 0;
            try {
                $codec->decode($changed);
            } catch (CacheValueUnreadable) {
                $refused++;
            }
            self::assertSame(0, Alarm::$rung, bin2hex($changed));
        }
        self::assertGreaterThan(4_000, $refused);
    }

    public function test_the_classes_in_igbinarys_bytes_are_those_that_it_makes(): void
    {
        if (!extension_loaded('igbinary')) {
            self::markTestSkipped('runs where ext-igbinary is loaded');
        }
        $alarm = new Alarm();
        $values = [
            [$alarm, $alarm], [new Alarm(), new Alarm(), new stdClass()], Colour::Red, [Colour::Red, Colour::Red],
            array_fill(0, 300, new stdClass()), [str_repeat('long', 100_000), new Alarm()], array_fill(0, 70_000, 23),
            [23 => 24, 'a' => [25.5, -23, 5_000, -70_000, PHP_INT_MIN, ''], 'b' => 'a'], new ArrayObject([1]),
        ];
        $classes = array_map(static fn (mixed $value): array => Igbinary::classes(igbinary_serialize($value)), $values);
        $of = [[Alarm::class], [Alarm::class, stdClass::class], [Colour::class], [Colour::class], [stdClass::class]];
        self::assertSame([...$of, [Alarm::class], [], [], [ArrayObject::class]], $classes);
    }
}
