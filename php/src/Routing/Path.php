<?php

declare(strict_types=1);

namespace Lyger\Routing;

/**
 * Percent-escapes between the socket and the route table.
 *
 * Paths are matched decoded, so that a route '/größe' is found, but for three bytes: an escaped slash must not split a
 * segment, an escaped percent sign must not be decoded twice, and an escaped line feed must not pass for the end of the
 * path, which `$` in a regular expression takes it for. Parameters are decoded to the end.
 */
final class Path
{
    public static function forMatching(string $rawPath): string
    {
        if (!str_contains($rawPath, '%')) {
            return $rawPath;
        }
        return preg_replace_callback(
            '/%(?!2[5f]|0a)[0-9a-f]{2}/i',
            static fn (array $escape): string => rawurldecode($escape[0]),
            $rawPath,
        ) ?? $rawPath;
    }

    /**
     * @param array<string, string> $params
     * @return array<string, string>
     */
    public static function params(array $params): array
    {
        foreach ($params as $name => $value) {
            $params[$name] = rawurldecode($value);
        }
        return $params;
    }
}
