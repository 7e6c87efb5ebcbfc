<?php

declare(strict_types=1);

namespace Lyger\Config;

/** A key with its value, or the header of a section, and where each stands. */
final class TomlEntry
{
    /**
     * @param string $key with those of its sections: db.connections_max
     * @param string|int|bool|list<string>|null $value null for a section
     * @param string $place file:line:column
     * @param string $valuePlace the same of the value
     */
    public function __construct(
        public readonly string $key,
        public readonly string|int|bool|array|null $value,
        public readonly string $place,
        public readonly string $valuePlace,
        public readonly bool $isSection = false,
    ) {
    }
}
