<?php

declare(strict_types=1);

namespace Lyger\Console;

use JsonSerializable;

/** One line of `rawr doctor`. */
final class Check implements JsonSerializable
{
    /** @param string $hint what to do, where it isn't fine */
    public function __construct(
        public readonly string $name,
        public readonly bool $ok,
        public readonly string $value,
        public readonly string $hint = '',
    ) {
    }

    /** @return array<string, string|bool> */
    public function jsonSerialize(): array
    {
        $check = ['name' => $this->name, 'ok' => $this->ok, 'value' => $this->value];
        return $this->ok ? $check : $check + ['hint' => $this->hint];
    }
}
