<?php

declare(strict_types=1);

namespace Lyger\Database;

/** Where a client's transaction stands, as the database itself has it; the numbers are those of lyger_db_state(). */
enum TransactionState: int
{
    case None = 0;
    case Open = 1;
    /** A statement failed in it, and PostgreSQL runs no other before it is rolled back. */
    case Failed = 2;
}
