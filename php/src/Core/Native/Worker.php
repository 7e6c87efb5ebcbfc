<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Server\Lifeline;
use Lyger\Server\Runner;
use Lyger\Server\Session;
use Lyger\Server\Signals;

/**
 * PHP's side of the native server: it pulls one request after the other and answers it. The engine never calls PHP.
 *
 *     take --request--> run the handler --> answer --> take
 *     take --nothing, a signal--> signal handlers --> take
 *     take --closed--> the loop returns
 */
final class Worker
{
    /** How long a call may keep PHP from its own signal handlers where the system doesn't interrupt it. */
    public const WAIT_MS = 1_000;
    /** After a fatal error: for those who wait, to be told. */
    private const LAST_WORDS_SECONDS = 2.0;

    private ?NativeSource $current = null;

    /** @param Shift|null $shift of a worker of a fleet; null for the one worker of a solo server */
    public function __construct(
        private readonly Abi $abi,
        private readonly Inbox $inbox,
        private readonly Runner $runner,
        private readonly ?Shift $shift = null,
    ) {
    }

    /** @param bool $isShutdown whether PHP is in its shutdown already */
    public function run(bool $isShutdown = false): void
    {
        Lifeline::run($this->loop(...), $this->exited(...), $this->died(...), $isShutdown);
    }

    private function loop(): void
    {
        while (!$this->mustLeave() && ($this->current = $this->next()) !== null) {
            $this->send($this->runner->run(new Request($this->current)));
            $this->shift?->served();
        }
    }

    /** Whether another worker has to go on in its place, with what it was given and hasn't begun. */
    private function mustLeave(): bool
    {
        return $this->shift !== null && Session::isStuck();
    }

    /** The next request; null when the server has stopped. */
    private function next(): ?NativeSource
    {
        while (($request = $this->inbox->take(self::WAIT_MS)) === null) {
            if ($this->inbox->isClosed()) {
                return null;
            }
            Signals::dispatch();
        }
        return $request;
    }

    private function send(Response $response): void
    {
        $request = $this->current;
        if ($request !== null) {
            $this->current = null;
            $this->inbox->answer($request, $response);
        }
    }

    /** A handler has called exit(): what it wrote is the answer. */
    private function exited(bool $tooOften): void
    {
        $this->send($this->runner->exited());
        if ($tooOften) {
            $this->shift?->end();
        }
        $this->shift?->served();
    }

    /** @param array{message: string, file: string, line: int} $error */
    private function died(array $error): void
    {
        $what = $this->shift === null ? 'The server' : 'The worker';
        $message = Runner::oneLine("{$error['message']} in {$error['file']}:{$error['line']}");
        fwrite(STDERR, "$what ends: $message\n");
        $this->send($this->runner->died($error));
        if ($this->shift !== null) {
            return; // the fleet replaces it
        }
        $this->abi->ffi->lyger_server_stop();
        $ends = microtime(true) + self::LAST_WORDS_SECONDS;
        do {
            $request = $this->inbox->take(50);
            if ($request !== null) {
                $this->inbox->answer($request, Response::error(503));
            }
        } while (!$this->inbox->isClosed() && microtime(true) < $ends);
    }
}
