<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;
use Lyger\Async\Scheduler;
use Lyger\Config;
use Lyger\Database\Client;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\PoolExhausted;
use Lyger\Exception\SessionBusy;
use Lyger\Http\Echoed;
use Lyger\Http\HttpException;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Http\Uploads;
use Throwable;

/**
 * Runs the application's handler for one request after the other, and makes an answer of whatever happens: what it
 * returns, what it echoes, what it throws, and exit().
 *
 * What always holds: no exception leaves run(); output never reaches standard output; http_response_code() starts at
 * 200 for each request; what a handler changed of PHP's own state is put back before its answer leaves.
 */
final class Runner
{
    private string $echoed = '';
    private int $level = 0;
    private bool $buffers = false;
    private ?Request $request = null;
    /** @var list<string> the handler's own buffers while it waits, the outermost first */
    private array $waiting = [];
    private int|bool $status = 200;

    /**
     * @param Closure(Request): mixed $handler
     * @param bool $keepsSql whether the caller can send a pending SqlResponse by itself
     * @param Baseline|null $baseline null where PHP itself begins anew with each request
     */
    public function __construct(
        private readonly Closure $handler,
        private readonly bool $debug,
        private readonly bool $keepsSql,
        private readonly ?Baseline $baseline = null,
    ) {
    }

    /**
     * Of a process that answers one request after the other, whose application has booted.
     *
     * @param Closure(Request): mixed $handler
     */
    public static function of(Closure $handler, Config $config, bool $keepsSql): self
    {
        // Before the state to come back to is looked at.
        Session::keep($config);
        return new self($handler, $config->bool('debug'), $keepsSql, Baseline::now());
    }

    public function run(Request $request): Response
    {
        if ($this->baseline !== null && Session::isStuck()) {
            error_log('this process can have no session any more: a handler has written to PHP\'s own output, or has '
                . 'left a session that can\'t be forgotten');
            return Response::error(503)->setHeader('Retry-After', '1');
        }
        $this->begin($request);
        try {
            $response = Response::from(($this->handler)($request));
            Scheduler::finish();
            $response = $this->withEcho($response, $this->end());
            if ($response instanceof SqlResponse && !($this->keepsSql && $response->isAnybodys())) {
                $response->settle($request);
            }
        } catch (HttpException $exception) {
            Scheduler::abandon();
            $this->end();
            $response = $exception->response();
        } catch (Throwable $exception) {
            Scheduler::abandon();
            $this->end();
            $response = $this->failure($exception);
        }
        return $this->finish($response);
    }

    /** The answer of a handler that called exit(): what it wrote, as under FPM. */
    public function exited(): Response
    {
        Scheduler::leave();
        return $this->finish($this->withEcho(new Echoed(), $this->end()));
    }

    /**
     * The answer of a handler that died of a fatal error.
     *
     * @param array{message: string, file: string, line: int} $error error_get_last()
     */
    public function died(array $error): Response
    {
        Scheduler::leave();
        $this->end();
        Uploads::remove();
        Client::end();
        $message = strtok($error['message'], "\n") ?: 'fatal error';
        return $this->debug
            ? Response::error(500, "$message in {$error['file']}:{$error['line']}")
            : Response::error(500);
    }

    /**
     * The handler waits while others run: takes its output off PHP's one stack of buffers. False when it can't, because
     * the handler has changed what they would share.
     */
    public function pause(): bool
    {
        $inner = array_slice(ob_get_status(true), $this->level + 1);
        foreach ($inner as ['name' => $name, 'flags' => $flags]) {
            if ($name !== 'default output handler' || ($flags & PHP_OUTPUT_HANDLER_REMOVABLE) === 0) {
                return false; // a callback can't be taken along
            }
        }
        if ($this->baseline?->isChanged() === true) {
            return false;
        }
        foreach ($inner as $_) {
            array_unshift($this->waiting, (string) ob_get_clean());
        }
        if (ob_get_level() > $this->level) {
            ob_end_flush();
        }
        $this->status = http_response_code();
        return true;
    }

    /** The handler goes on: after pause(). */
    public function resume(): void
    {
        http_response_code(is_int($this->status) ? $this->status : 200);
        $this->open();
        foreach ($this->waiting as $buffer) {
            ob_start();
            echo $buffer;
        }
        $this->waiting = [];
    }

    /** For the log, where each failure is a line and none is written by a client: "\\n" for a line feed. */
    public static function oneLine(string $text): string
    {
        return addcslashes($text, "\0..\37\177");
    }

    private function begin(Request $request): void
    {
        $this->request = $request;
        $this->echoed = '';
        http_response_code(200);
        $this->level = ob_get_level();
        $this->buffers = true;
        $this->open();
    }

    private function open(): void
    {
        // With a callback, so that flush() and ob_end_flush() in a handler write to the answer and not to the terminal.
        ob_start(function (string $chunk, int $phase): string {
            if (($phase & PHP_OUTPUT_HANDLER_CLEAN) === 0) {
                $this->echoed .= $chunk;
            }
            return '';
        });
    }

    /** Closes every output buffer of the handler and gives what it echoed. */
    private function end(): string
    {
        if ($this->buffers && ob_get_level() <= $this->level) {
            // `while (ob_get_level()) ob_end_clean();` ends this one too, and PHP lets nobody forbid it.
            error_log('a handler has ended the server\'s output buffer: what it wrote after that is no answer');
        }
        $this->buffers = false;
        // One that was opened so that it can't be closed stays.
        while (ob_get_level() > $this->level && @ob_end_flush()) {
        }
        $echoed = $this->echoed;
        $this->echoed = '';
        return $echoed;
    }

    /** Ends what belongs to the request alone. */
    private function finish(Response $response): Response
    {
        Client::end();
        if ($this->baseline !== null) {
            $hasSession = Session::isOpen();
            try {
                $hasSession ? Session::end($this->request, $response) : Session::putBack();
            } catch (Throwable $exception) {
                // A session's own handler may fail, and an error handler may make exceptions of warnings.
                error_log(self::oneLine("the session could not be ended: $exception"));
            }
            Uploads::remove();
            $this->baseline->restore($hasSession);
        }
        return $response;
    }

    private function withEcho(Response $response, string $echoed): Response
    {
        if ($response instanceof Echoed) {
            if ($response->header('content-type') === null) {
                $response->setHeader('Content-Type', 'text/html; charset=utf-8');
            }
            $status = http_response_code();
            if ($response->status() === 200 && is_int($status) && $status >= 200 && $status <= 599) {
                $response->setStatus($status);
            }
        }
        return $echoed === '' ? $response : $response->setBody($echoed . $response->body());
    }

    /** Whether the same request may well succeed when it comes again. */
    private static function isBusy(Throwable $exception): bool
    {
        return $exception instanceof PoolExhausted
            || $exception instanceof ConnectionFailed
            || $exception instanceof SessionBusy;
    }

    private function failure(Throwable $exception): Response
    {
        $request = $this->request;
        error_log(self::oneLine("{$request?->method()} {$request?->rawPath()}: $exception"));
        $status = self::isBusy($exception) ? 503 : 500;
        $response = $this->debug
            ? Response::error($status, $exception->getMessage(), [
                'exception' => $exception::class,
                'file' => "{$exception->getFile()}:{$exception->getLine()}",
                'trace' => explode("\n", $exception->getTraceAsString()),
            ])
            : Response::error($status);
        return $status === 503 ? $response->setHeader('Retry-After', '1') : $response;
    }
}
