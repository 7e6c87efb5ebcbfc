<?php

declare(strict_types=1);

namespace Lyger\Cache\Format;

use Lyger\Exception\CacheValueUnreadable;

/**
 * What classes serialize()'s text names, found without making an object.
 *
 * @internal
 */
final class Serialized
{
    /** Where an object, one with its own code, or a case of an enum may begin: a string's text may look the same. */
    private const OBJECT = '/(?:^|[;{}])[OCE]:/';

    /** One token. What follows a string's, an object's or an enum's quote is counted in bytes. */
    private const TOKEN = '/\G(?:N;|b:[01];|[irR]:-?\d+;|d:[^;]{1,64};|a:\d+:\{|\}|([sOCE]):(\d{1,10}):")/';

    /** What ends it. */
    private const ENDS = ['s' => '/\G";/', 'O' => '/\G":\d+:\{/', 'C' => '/\G":(\d{1,10}):\{/', 'E' => '/\G";/'];

    /** @return list<string> */
    public static function classes(string $text): array
    {
        if (\preg_match(self::OBJECT, $text) !== 1) {
            return [];
        }
        $classes = [];
        for ($at = 0, $end = \strlen($text); $at < $end;) {
            $at += \strlen(self::match(self::TOKEN, $text, $at, $token));
            if (!isset($token[1])) {
                continue;
            }
            $name = \substr($text, $at, (int) $token[2]);
            $at += (int) $token[2];
            $at += \strlen(self::match(self::ENDS[$token[1]], $text, $at, $rest));
            if ($token[1] === 'C') {
                $at += (int) $rest[1] + 1;
            }
            if ($token[1] !== 's') {
                $classes[] = $token[1] === 'E' ? (string) \strstr("$name:", ':', true) : $name;
            }
        }
        return \array_values(\array_unique($classes));
    }

    /** @param array<string>|null $found */
    private static function match(string $pattern, string $text, int $at, ?array &$found): string
    {
        if (\preg_match($pattern, $text, $found, 0, $at) !== 1) {
            throw CacheValueUnreadable::because("this is no text of serialize(), at byte $at");
        }
        return $found[0];
    }
}
