<?php

declare(strict_types=1);

namespace Lyger\Http;

use BackedEnum;
use JsonSerializable;
use Lyger\Core\Native\LastRows;
use Lyger\Database\Fallback\Utf8;
use Lyger\Exception\InvalidArgument;

/**
 * PHP values as JSON by the engine's rules: text is escaped where JSON demands it and nowhere else, each maximal
 * invalid piece of UTF-8 becomes U+FFFD, NaN and infinities are null.
 */
final class Json
{
    private const FLAGS = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS
        | JSON_PRESERVE_ZERO_FRACTION;
    /** As json_encode(): what nests deeper is most likely a circle. */
    private const DEPTH_MAX = 512;

    /** @throws InvalidArgument when the data has no JSON form */
    public static function encode(mixed $data): string
    {
        $json = is_array($data) ? LastRows::json($data) : null;
        $json ??= json_encode($data, self::FLAGS);
        if ($json === false && in_array(json_last_error(), [JSON_ERROR_INF_OR_NAN, JSON_ERROR_UTF8], true)) {
            // PHP's own ways out are others: 0 for an infinity, and a U+FFFD for each byte of a broken sequence.
            $json = json_encode(self::mended($data, 0), self::FLAGS);
        }
        return $json !== false
            ? $json
            : throw InvalidArgument::because('the answer has no JSON form: ' . json_last_error_msg());
    }

    private static function mended(mixed $value, int $depth): mixed
    {
        if ($depth > self::DEPTH_MAX) {
            throw InvalidArgument::because('the answer has no JSON form: Maximum stack depth exceeded');
        }
        return match (true) {
            is_float($value) => is_finite($value) ? $value : null,
            is_string($value) => self::text($value),
            is_array($value) => self::members($value, $depth),
            $value instanceof BackedEnum => $value,
            $value instanceof JsonSerializable => self::mended($value->jsonSerialize(), $depth + 1),
            is_object($value) => (object) self::members(get_object_vars($value), $depth),
            default => $value,
        };
    }

    /**
     * @param array<mixed> $members
     * @return array<mixed>
     */
    private static function members(array $members, int $depth): array
    {
        $mended = [];
        foreach ($members as $key => $value) {
            $mended[is_string($key) ? self::text($key) : $key] = self::mended($value, $depth + 1);
        }
        return $mended;
    }

    private static function text(string $text): string
    {
        return preg_match('//u', $text) === 1 ? $text : Utf8::lossy($text);
    }
}
