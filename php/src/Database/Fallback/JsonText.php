<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Bytes;

/** JSON as the engine's kernel writes it, which json_encode cannot be told to in every byte. */
final class JsonText
{
    public static function value(mixed $value, Kind $kind): string
    {
        return match (true) {
            $value === null => 'null',
            $value === true => 'true',
            $value === false => 'false',
            is_int($value) => (string) $value,
            is_float($value) => FloatText::double($value),
            $value instanceof Bytes => '"' . base64_encode($value->bytes) . '"',
            default => match ($kind) {
                Kind::Text => self::quote($value),
                Kind::Bytes => '"' . base64_encode($value) . '"',
                Kind::Json, Kind::Integer, Kind::Number => $value,
                Kind::Single => FloatText::single($value),
            },
        };
    }

    /**
     * Short escapes where JSON has them, \u00xx for other control bytes, the rest as it is; every maximal part of
     * invalid UTF-8 becomes U+FFFD.
     */
    public static function quote(string $text): string
    {
        $json = json_encode($text, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS);
        return $json !== false
            ? $json
            : (string) json_encode(
                Utf8::lossy($text),
                JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS,
            );
    }
}
