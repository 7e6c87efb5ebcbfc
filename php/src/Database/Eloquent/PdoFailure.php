<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use RuntimeException;

/**
 * Stands for the class PDOException, Eloquent's QueryException's parent, where that extension is not loaded.
 *
 * @internal
 */
class PdoFailure extends RuntimeException
{
    /** @var array{string, int, string}|null SQLSTATE, the driver's number, the database's message */
    public ?array $errorInfo = null;
}
