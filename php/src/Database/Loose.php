<?php

declare(strict_types=1);

namespace Lyger\Database;

/**
 * Parameters as libraries made for PDO give them: a resource is what can be read from it, and a string that is no UTF-8
 * is bytes.
 *
 * @internal
 */
final class Loose
{
    /**
     * @param array<mixed> $params
     * @return array<mixed>
     */
    public static function params(array $params): array
    {
        return array_map(self::value(...), $params);
    }

    public static function value(mixed $value): mixed
    {
        if (is_resource($value)) {
            return new Bytes((string) stream_get_contents($value));
        }
        return is_string($value) && preg_match('//u', $value) !== 1 ? new Bytes($value) : $value;
    }
}
