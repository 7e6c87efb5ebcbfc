<?php

declare(strict_types=1);

namespace Lyger\Console;

/** One line of `rawr doctor`. */
final class Check
{
    /** @param string $hint what to do, where it isn't fine */
    public function __construct(
        public readonly string $name,
        public readonly bool $ok,
        public readonly string $value,
        public readonly string $hint = '',
    ) {
    }
}
