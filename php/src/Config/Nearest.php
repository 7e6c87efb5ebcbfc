<?php

declare(strict_types=1);

namespace Lyger\Config;

/** The name that somebody may have meant. */
final class Nearest
{
    /** What is longer was no slip of the fingers: the longest key has 27 characters. */
    private const BYTES_MAX = 64;

    /**
     * The candidate most like the name, if at most a third of it has to change.
     *
     * @param iterable<string> $candidates
     */
    public static function to(string $name, iterable $candidates): ?string
    {
        $nearest = null;
        $least = PHP_INT_MAX;
        foreach (strlen($name) > self::BYTES_MAX ? [] : $candidates as $candidate) {
            $distance = levenshtein($name, $candidate);
            if ($distance < $least && $distance <= intdiv(strlen($candidate), 3)) {
                [$nearest, $least] = [$candidate, $distance];
            }
        }
        return $nearest;
    }
}
