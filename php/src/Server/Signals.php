<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;

/** SIGINT and SIGTERM while the stream server runs: the first drains, a second SIGINT ends the process at once. */
final class Signals
{
    /** @var array<int, callable|int> the handlers before */
    private array $before = [];
    private bool $draining = false;
    private bool $wereAsync = false;

    /** @param Closure(): void $drain */
    public function __construct(private readonly Closure $drain)
    {
    }

    public function install(): void
    {
        if (!function_exists('pcntl_signal') || !function_exists('posix_kill')) {
            return;
        }
        // At once and not between requests: a handler that never ends must not keep Ctrl-C from being heard.
        $this->wereAsync = pcntl_async_signals(true);
        foreach ([SIGINT, SIGTERM] as $signal) {
            $this->before[$signal] = pcntl_signal_get_handler($signal);
            pcntl_signal($signal, $this->receive(...));
        }
    }

    public function restore(): void
    {
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

    private function receive(int $signal): void
    {
        if ($this->draining && $signal === SIGINT) {
            // Not exit(), which the loop takes for the handler's.
            pcntl_signal(SIGINT, SIG_DFL);
            posix_kill((int) getmypid(), SIGINT);
        }
        $this->draining = true;
        ($this->drain)();
    }
}
