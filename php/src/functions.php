<?php

/**
 * Lyger's functions: autoload.php and Composer load them.
 */

declare(strict_types=1);

namespace Lyger;

use Closure;
use Lyger\Async\Future;
use Lyger\Async\Scheduler;

/**
 * Begins work in a Fiber of its own: it runs until it first waits (for a statement of PostgreSQL or MySQL, for
 * Async::sleep(), await()), and goes on while whoever began it waits. In it a statement lets others go on; elsewhere it
 * blocks.
 *
 *     [$orders, $stock] = await([
 *         async(fn () => $db->query('SELECT ...')),
 *         async(fn () => $other->value('SELECT ...')),
 *     ]);
 *
 * The work is a client of its own: its transactions are its own, and it sees none that others have open. What nobody
 * awaits is finished before the request is answered, or the script has ended.
 *
 * @param callable(): mixed $work
 */
function async(callable $work): Future
{
    return Scheduler::current()->start(Closure::fromCallable($work));
}

/**
 * Waits for what async() has begun. Of several all are waited for, and their values come by the same keys in the same
 * order; the first failure is thrown, when the others have been cancelled.
 *
 * @param Future|array<Future> $what
 * @throws Exception\Timeout after $timeoutSeconds, when all have been cancelled
 */
function await(Future|array $what, ?float $timeoutSeconds = null): mixed
{
    $values = Scheduler::current()->await(is_array($what) ? $what : [$what], $timeoutSeconds);
    return is_array($what) ? $values : $values[0];
}
