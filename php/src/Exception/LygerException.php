<?php

declare(strict_types=1);

namespace Lyger\Exception;

use RuntimeException;
use Throwable;

/**
 * The parent of everything that Lyger throws: one child per kind of failure.
 *
 * The message is the engine's or the database's own text, so it can hold data: show it to developers, not to clients.
 */
class LygerException extends RuntimeException
{
    final public function __construct(
        string $message,
        private readonly ?string $sqlstate = null,
        private readonly ?string $value = null,
        ?Throwable $previous = null,
    ) {
        parent::__construct($message, 0, $previous);
    }

    /** The five characters of the SQL standard, where a database answered. */
    public function sqlstate(): ?string
    {
        return $this->sqlstate;
    }

    /** The value that failed, as text, where there is one. */
    public function value(): ?string
    {
        return $this->value;
    }
}
