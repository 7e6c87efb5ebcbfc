<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;

/**
 * SIGINT and SIGTERM while the stream server runs: the first drains, a second one ends the process at once.
 *
 * Who sends a signal wants the process to end. So an alarm rings when the drain's time is over, for a handler that
 * doesn't return. It is heard between two instructions of PHP: not within a query or another call that never ends.
 */
final class Signals
{
    /** @var array<int, callable|int> the handlers before */
    private array $before = [];
    private bool $draining = false;
    private bool $wereAsync = false;

    /**
     * @param Closure(): void $drain
     * @param Closure(): void $late called when the drain's time is over, if a signal began it
     */
    public function __construct(
        private readonly Closure $drain,
        private readonly Closure $late,
        private readonly int $drainTimeoutMs,
    ) {
    }

    public function install(): void
    {
        if (!function_exists('pcntl_signal') || !function_exists('posix_kill')) {
            return;
        }
        // At once and not between requests: a handler that never ends must not keep Ctrl-C from being heard.
        $this->wereAsync = pcntl_async_signals(true);
        foreach ([SIGINT, SIGTERM, SIGALRM] as $signal) {
            $this->before[$signal] = pcntl_signal_get_handler($signal);
        }
        foreach ([SIGINT, SIGTERM] as $signal) {
            pcntl_signal($signal, $this->receive(...));
        }
    }

    public function restore(): void
    {
        if ($this->draining) {
            pcntl_alarm(0);
        }
        foreach ($this->before as $signal => $handler) {
            pcntl_signal($signal, $handler);
        }
        if ($this->before !== []) {
            pcntl_async_signals($this->wereAsync);
        }
        $this->before = [];
    }

    public static function dispatch(): void
    {
        if (function_exists('pcntl_signal_dispatch')) {
            pcntl_signal_dispatch();
        }
    }

    /**
     * Ends the process in the middle of a handler. Not exit(): the loop takes that for the handler's, and what the
     * handler would do at its end might not end either.
     */
    public static function endProcess(int $code): void
    {
        pcntl_exec('/bin/sh', ['-c', "exit $code"]);
        posix_kill((int) getmypid(), SIGKILL);
    }

    private function receive(int $signal): void
    {
        if ($this->draining) {
            // Not exit(), as above.
            pcntl_signal($signal, SIG_DFL);
            posix_kill((int) getmypid(), $signal);
            return;
        }
        $this->draining = true;
        ($this->drain)();
        pcntl_signal(SIGALRM, $this->late);
        pcntl_alarm(max(1, (int) ceil($this->drainTimeoutMs / 1000)));
    }
}
