<?php

declare(strict_types=1);

namespace Lyger;

use Lyger\Async\Scheduler;
use Lyger\Exception\InvalidArgument;

/**
 * Waiting that lets the worker's other requests go on meanwhile, and what was begun with Lyger\async().
 *
 *     Async::sleep(0.5); // with `rawr serve --concurrency=8` seven other requests run in this half second
 *
 * The same code runs anywhere. It waits in place, and no other request goes on, where the worker has one request at a
 * time, outside of a request, in a Fiber of the application's own, and in a handler that has changed what PHP has one
 * of: a session, the superglobals, an error handler, the locale or another setting, an output buffer with a callback.
 */
final class Async
{
    private const SECONDS_MAX = 1e9;

    /**
     * Waits for so many seconds, signals or not.
     *
     * @throws InvalidArgument for what is no time to wait: negative, infinite, or beyond 30 years
     */
    public static function sleep(float $seconds): void
    {
        if (!($seconds >= 0.0 && $seconds <= self::SECONDS_MAX)) {
            throw InvalidArgument::because('a wait takes 0 to ' . self::SECONDS_MAX . ' seconds', (string) $seconds);
        }
        Scheduler::current()->sleepUntil(hrtime(true) + (int) ceil($seconds * 1e9));
    }

    /** Gives the worker's other requests, and what async() has begun, a turn, if they have something to do. */
    public static function suspend(): void
    {
        Scheduler::current()->suspend();
    }
}
