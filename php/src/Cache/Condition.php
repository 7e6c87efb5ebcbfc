<?php

declare(strict_types=1);

namespace Lyger\Cache;

/**
 * When a value is put. The numbers are those of rust/ffi/store.rs.
 *
 * @internal
 */
enum Condition: int
{
    case Always = 0;
    /** If nothing is there (NX). */
    case Missing = 1;
    /** If something is there (XX). */
    case Present = 2;

    public function holds(bool $there): bool
    {
        return $this === self::Always || $there === ($this === self::Present);
    }
}
