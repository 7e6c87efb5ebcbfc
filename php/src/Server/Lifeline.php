<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;

/**
 * Keeps a server's loop alive when a handler calls exit(), and lets it answer when a handler dies.
 *
 * PHP unwinds the stack at exit() and destroys what was in it. A guard in the loop's frame notices, answers, and runs
 * the loop again from its destructor: the process goes on as an FPM worker does. Each exit() leaves one frame below the
 * next loop, so after EXITS_MAX of them the process ends in earnest. Before PHP 8.4 Fibers cannot switch inside a
 * destructor: a handler that uses them fails after the first exit().
 *
 * A fatal error unwinds nothing. There a shutdown function answers, and the process ends.
 */
final class Lifeline
{
    /** The errors that end a process. */
    public const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
    /** From here on a worker of a fleet asks to be replaced: what comes meanwhile still fits. */
    public const EXITS_MANY = 500;
    /** A frame takes about 700 bytes of the C stack's 8 MB; a segmentation fault comes at ten times this. */
    private const EXITS_MAX = 1_000;

    private int $exits = 0;
    private bool $running = true;

    /**
     * @param Closure(): void $loop returns when the server has stopped
     * @param Closure(bool): void $onExit answers the request whose handler called exit(); true after EXITS_MANY of them
     * @param Closure(array{message: string, file: string, line: int}): void $onDeath
     */
    private function __construct(
        private readonly Closure $loop,
        private readonly Closure $onExit,
        private readonly Closure $onDeath,
        private readonly bool $isShutdown,
    ) {
    }

    /** @param bool $isShutdown whether this is called in a shutdown function, which exit() makes the last one */
    public static function run(Closure $loop, Closure $onExit, Closure $onDeath, bool $isShutdown = false): void
    {
        $lifeline = new self($loop, $onExit, $onDeath, $isShutdown);
        register_shutdown_function($lifeline->shutDown(...));
        $lifeline->turn();
    }

    /**
     * What ends the script, if that is a fatal error. There may be no memory left to answer with: the limit is lifted.
     *
     * @return array{type: int, message: string, file: string, line: int}|null
     */
    public static function fatalError(): ?array
    {
        $error = error_get_last();
        if ($error === null || ($error['type'] & self::FATAL) === 0) {
            return null;
        }
        ini_set('memory_limit', '-1');
        return $error;
    }

    /** A handler has called exit(). */
    private function afterExit(): void
    {
        ($this->onExit)(++$this->exits >= self::EXITS_MANY);
        if ($this->exits < self::EXITS_MAX) {
            $this->turn();
            if ($this->isShutdown) {
                exit(0); // as in shutDown(), which PHP doesn't call any more
            }
        } else {
            $this->running = false;
            ($this->onDeath)([
                'message' => 'handlers have called exit() ' . self::EXITS_MAX . ' times',
                'file' => __FILE__,
                'line' => __LINE__,
            ]);
        }
    }

    private function turn(): void
    {
        $guard = new Guard($this->afterExit(...));
        try {
            ($this->loop)();
        } finally {
            // Reached when the loop returns or throws, not at exit(): that skips `finally`.
            $guard->disarm();
            $this->running = false;
        }
    }

    private function shutDown(): void
    {
        if ($this->running) {
            $this->running = false;
            $error = self::fatalError();
            if ($error !== null) {
                ($this->onDeath)($error);
            }
        } elseif ($this->exits > 0) {
            // A handler's own exit code is not how the server ended. After the application's own shutdown functions,
            // which exit() would keep from their turn.
            $code = $this->exits < self::EXITS_MAX ? 0 : 1;
            register_shutdown_function(static fn (): never => exit($code));
        }
    }
}
