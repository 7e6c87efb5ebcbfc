<?php

declare(strict_types=1);

namespace Lyger\Http;

/** A strong tag of a body's bytes, the same as the engine's, and whether a client has it (RFC 9110, 13.1.2). */
final class EntityTag
{
    /** Longer bodies have none: the engine doesn't hold them. */
    public const BODY_BYTES_MAX = 1 << 20;

    public static function of(string $body): string
    {
        return '"' . hash('xxh128', $body) . '"';
    }

    /** By weak comparison; what is no list of tags names none. */
    public static function isIn(string $ifNoneMatch, string $tag): bool
    {
        if (trim($ifNoneMatch, " \t") === '*') {
            return true;
        }
        preg_match_all('~\G[\s,]*+(?:W/)?+("[^"]*+")~', $ifNoneMatch, $tags);
        return in_array($tag, $tags[1], true);
    }
}
