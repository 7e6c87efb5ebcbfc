<?php

declare(strict_types=1);

namespace Lyger;

use Lyger\Exception\InvalidArgument;
use Lyger\Server\Task;

/**
 * Waiting that lets the worker's other requests go on meanwhile.
 *
 *     Async::sleep(0.5); // with `rawr serve --concurrency=8` seven other requests run in this half second
 *
 * The same code runs anywhere. It waits in place, and nothing else goes on, where the worker has one request at a
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
        $untilNs = hrtime(true) + (int) ceil($seconds * 1e9);
        if (Task::current()?->pause($untilNs) === true) {
            return;
        }
        while (($leftNs = $untilNs - hrtime(true)) > 0) {
            usleep((int) min(ceil($leftNs / 1e3), 1e6));
        }
    }

    /** Gives the worker's other requests a turn, if they have something to do. */
    public static function suspend(): void
    {
        Task::current()?->pause(0);
    }
}
