<?php

declare(strict_types=1);

namespace Lyger\Database;

/**
 * What a transaction may see of others that run beside it, in the words of the SQL standard.
 *
 * A database may give more than was asked for: PostgreSQL reads nothing uncommitted, and every transaction of SQLite is
 * serializable.
 */
enum Isolation: string
{
    case ReadUncommitted = 'READ UNCOMMITTED';
    case ReadCommitted = 'READ COMMITTED';
    case RepeatableRead = 'REPEATABLE READ';
    case Serializable = 'SERIALIZABLE';
}
