<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

/**
 * Stands for the class PDO where that extension is not loaded: Eloquent's Connection has one of its constants as the
 * default of a property, which PHP looks up when the first connection is made.
 *
 * @internal
 */
abstract class PdoConstants
{
    public const FETCH_OBJ = 5;
}
