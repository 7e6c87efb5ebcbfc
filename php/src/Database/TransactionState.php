<?php

declare(strict_types=1);

namespace Lyger\Database;

/** Where a client's transaction stands, as the database itself has it. */
enum TransactionState
{
    case None;
    case Open;
    /** A statement failed in it, and PostgreSQL runs no other before it is rolled back. */
    case Failed;
}
