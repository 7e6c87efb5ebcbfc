<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** An open connection and what statements have left on it. */
final class Lease
{
    public Leaves $left = Leaves::Nothing;
    public float $usedAt = 0.0;

    /** @param bool $isReset whether it is its client's, and closed behind it, whatever was left */
    public function __construct(public readonly Connection $connection, public readonly bool $isReset)
    {
    }

    /** Whether it is its client's alone. */
    public function isKept(): bool
    {
        return $this->isReset || $this->left !== Leaves::Nothing;
    }

    /** Before a statement runs, because it may fail and still have left something. */
    public function note(Leaves $leaves): void
    {
        if ($leaves === Leaves::Session || ($leaves === Leaves::Transaction && $this->left === Leaves::Nothing)) {
            $this->left = $leaves;
        }
    }

    /** Behind a statement that did not fail: once its transaction is over a connection is anybody's again. */
    public function settle(Leaves $leaves): void
    {
        if ($leaves === Leaves::End && $this->left === Leaves::Transaction) {
            $this->left = Leaves::Nothing;
        }
    }
}
