<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use Lyger\Database\Dialect;
use Lyger\Database\ErrorNumber;
use Lyger\Exception\LygerException;
use PDOException;

/**
 * The engine's failure as Eloquent looks at it: its code is the SQLSTATE and errorInfo is what PDO has there. It is the
 * previous one of Eloquent's QueryException, and has the engine's own as its previous.
 */
final class Failure extends PDOException
{
    public static function of(LygerException $failure, Dialect $dialect): self
    {
        $sqlstate = $failure->sqlstate() ?? 'HY000';
        $new = new self("SQLSTATE[$sqlstate]: {$failure->getMessage()}", 0, $failure);
        $new->code = $sqlstate;
        $new->errorInfo = [$sqlstate, ErrorNumber::of($failure, $dialect), $failure->getMessage()];
        return $new;
    }
}
