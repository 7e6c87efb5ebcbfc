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

    /** @param Closure(): void $drain */
    public function __construct(private readonly Closure $drain)
    {
    }

    public function install(): void
    {
        if (!function_exists('pcntl_signal')) {
            return;
        }
        foreach ([SIGINT, SIGTERM] as $signal) {
            $this->before[$signal] = pcntl_signal_get_handler($signal);
            pcntl_signal($signal, $this->receive(...), false);
        }
    }

    public function restore(): void
    {
        foreach ($this->before as $signal => $handler) {
            pcntl_signal($signal, $handler);
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
            exit(130);
        }
        $this->draining = true;
        ($this->drain)();
    }
}
