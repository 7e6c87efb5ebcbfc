<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/**
 * What of a body is escaped though JSON doesn't ask for it, byte for byte as the engine does it (rust/json/escapes.rs):
 * in one pass over the body, for JSON has none of these characters outside of strings.
 */
final class Escapes
{
    /** @param int $flags those of json_encode() that JsonFlags knows */
    public static function apply(string $json, int $flags): string
    {
        $has = static fn (int $flag): bool => ($flags & $flag) !== 0;
        $characters = ($has(JSON_HEX_TAG) ? '<>' : '') . ($has(JSON_HEX_AMP) ? '&' : '');
        $characters .= ($has(JSON_HEX_APOS) ? "'" : '') . ($has(JSON_UNESCAPED_SLASHES) ? '' : '/');
        $parts = $characters === '' ? [] : ["[$characters]"];
        if ($has(JSON_HEX_QUOT) || !$has(JSON_UNESCAPED_SLASHES)) {
            // With the byte behind it, whose meaning it changes.
            $parts[] = '\\\\.';
        }
        if (!$has(JSON_UNESCAPED_UNICODE)) {
            $parts[] = '[^\x00-\x7f]';
        } elseif (!$has(JSON_UNESCAPED_LINE_TERMINATORS)) {
            $parts[] = '[\x{2028}\x{2029}]';
        }
        if ($parts === []) {
            return $json;
        }
        $escape = static fn (array $match): string => match ($match[0]) {
            '<' => '\u003C',
            '>' => '\u003E',
            '&' => '\u0026',
            "'" => '\u0027',
            '\"' => $has(JSON_HEX_QUOT) ? '\u0022' : '\"',
            default => $match[0][0] === '\\' ? $match[0] : substr((string) json_encode($match[0]), 1, -1),
        };
        // Only a database's own JSON may hold what isn't UTF-8.
        $text = preg_match('//u', $json) === 1 ? $json : Utf8::lossy($json);
        return (string) preg_replace_callback('~' . implode('|', $parts) . '~su', $escape, $text);
    }
}
