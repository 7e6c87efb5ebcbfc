<?php

declare(strict_types=1);

namespace Lyger\Exception;

/** There is no such transaction as the call meant, or not any more. */
final class TransactionFailed extends LygerException
{
    public static function none(string $what): self
    {
        return new self("$what: no transaction is open", '25P01');
    }

    /** A statement of it ended it without an error. */
    public static function ended(): self
    {
        return new self(
            'the transaction has ended before: by a COMMIT or ROLLBACK of its own, or by a statement that commits, as '
                . 'CREATE, ALTER, DROP and TRUNCATE do in MySQL',
            '25P01',
        );
    }

    /** PostgreSQL answers a COMMIT of it by rolling it back, in silence. */
    public static function failed(): self
    {
        return new self('a statement of the transaction had failed: it is rolled back and not committed', '25P02');
    }

    /** Nothing may run in its name any more: it would be outside of any transaction. */
    public static function lost(LygerException $cause): self
    {
        $reason = "the database has rolled the transaction back before, because of this: {$cause->getMessage()}";
        return new self($reason, $cause->sqlstate(), null, $cause);
    }

    public static function leftOpen(): self
    {
        return new self('the function of transaction() has called begin() without commit() or rollback()', '25001');
    }
}
