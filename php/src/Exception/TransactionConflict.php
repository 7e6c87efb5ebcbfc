<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** Another transaction was in the way, a deadlock included: run the whole transaction again, or have transaction() do it. */
final class TransactionConflict extends QueryFailed
{
}
