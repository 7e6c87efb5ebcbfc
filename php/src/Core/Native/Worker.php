<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Core\Status;
use Lyger\Database\Params;
use Lyger\Exception\InvalidHandle;
use Lyger\Exception\LygerException;
use Lyger\Http\NotRouted;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Server\Lifeline;
use Lyger\Server\Runner;
use Lyger\Server\Signals;

/**
 * PHP's side of the native server: it pulls one request after the other and answers it. The engine never calls PHP.
 *
 *     next --OK--> run the handler --> respond | respond_sql | pass --> next
 *     next --TIMEOUT, INTERRUPTED--> signal handlers --> next
 *     next --STOPPED--> the loop returns
 */
final class Worker
{
    /** How long a call may keep PHP from its own signal handlers where the system doesn't interrupt it. */
    private const WAIT_MS = 1_000;
    /** After a fatal error: for those who wait, to be told. */
    private const LAST_WORDS_SECONDS = 2.0;

    private readonly FFI $ffi;
    private readonly CData $head;
    private readonly CData $headPointer;
    private readonly CData $needed;
    private CData $line;
    private int $lineBytes = 16_384;
    private ?int $current = null;
    /** Whether the current request is GET /, which the engine's own root handler takes when no route does. */
    private bool $isRoot = false;

    /** @param Shift|null $shift of a worker of a fleet; null for the one worker of a solo server */
    public function __construct(
        private readonly Abi $abi,
        private readonly Runner $runner,
        private readonly ?Shift $shift = null,
    ) {
        $this->ffi = $abi->ffi;
        $this->head = $this->ffi->new('lyger_request_head');
        $this->headPointer = FFI::addr($this->head);
        $this->needed = $this->ffi->new('size_t');
        $this->line = $this->ffi->new("char[{$this->lineBytes}]");
    }

    public function run(): void
    {
        Lifeline::run($this->loop(...), $this->exited(...), $this->died(...));
    }

    private function loop(): void
    {
        while (($source = $this->next()) !== null) {
            $this->send($this->runner->run(new Request($source)));
            $this->shift?->served();
        }
    }

    /** The next request; null when the server has stopped. */
    private function next(): ?NativeSource
    {
        while (true) {
            $status = $this->ffi->lyger_worker_next(
                self::WAIT_MS,
                $this->headPointer,
                $this->line,
                $this->lineBytes,
                FFI::addr($this->needed),
            );
            if ($status === Status::Ok->value) {
                return $this->source();
            }
            match ($status) {
                Status::Timeout->value, Status::Interrupted->value => Signals::dispatch(),
                Status::BufferTooSmall->value => $this->grow(),
                Status::Stopped->value => null,
                default => throw $this->abi->failure($status),
            };
            if ($status === Status::Stopped->value) {
                return null;
            }
        }
    }

    private function source(): NativeSource
    {
        $head = $this->head;
        $methodEnd = $head->method_len;
        $pathEnd = $methodEnd + $head->path_len;
        $line = FFI::string($this->line, $pathEnd + $head->query_len);
        $method = substr($line, 0, $methodEnd);
        $path = substr($line, $methodEnd, $head->path_len);
        $this->current = $head->id;
        $this->isRoot = $path === '/' && ($method === 'GET' || $method === 'HEAD');
        return new NativeSource($this->abi, $head->id, $method, $path, substr($line, $pathEnd), $head->body_len);
    }

    private function grow(): void
    {
        $this->lineBytes = $this->needed->cdata;
        $this->line = $this->ffi->new("char[{$this->lineBytes}]");
    }

    private function send(Response $response): void
    {
        $id = $this->current;
        if ($id === null) {
            return;
        }
        $this->current = null;
        try {
            $this->abi->check($this->respond($id, $response));
        } catch (InvalidHandle) {
            // The client has gone, or waited for request_timeout_ms and was told so.
        } catch (LygerException $exception) {
            error_log(Runner::oneLine("the answer could not be sent: {$exception->getMessage()}"));
            $this->respond($id, Response::error(500));
        }
    }

    private function respond(int $id, Response $response): int
    {
        if ($response instanceof NotRouted && $this->isRoot) {
            return $this->ffi->lyger_request_pass($id);
        }
        $headers = '';
        foreach ($response->headers() as [$name, $value]) {
            $headers .= "$name\0$value\0";
        }
        $status = $response->status();
        $headersBytes = strlen($headers);
        if ($response instanceof SqlResponse && $response->isPending()) {
            $params = Params::pack($response->params());
            [$dsn, $sql] = [$response->dsn(), $response->sql()];
            return $this->ffi->lyger_request_respond_sql(
                $id,
                $status,
                $headers,
                $headersBytes,
                $dsn,
                strlen($dsn),
                $sql,
                strlen($sql),
                $this->abi->bytes($params),
                strlen($params),
            );
        }
        $body = $response->body();
        return $this->ffi->lyger_request_respond($id, $status, $headers, $headersBytes, $body, strlen($body));
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
        $this->ffi->lyger_server_stop();
        $ends = microtime(true) + self::LAST_WORDS_SECONDS;
        do {
            $status = $this->ffi->lyger_worker_next(
                50,
                $this->headPointer,
                $this->line,
                $this->lineBytes,
                FFI::addr($this->needed),
            );
            if ($status === Status::Ok->value) {
                $this->current = $this->head->id;
                $this->isRoot = false;
                $this->send(Response::error(503));
            } elseif ($status === Status::BufferTooSmall->value) {
                $this->grow();
            }
        } while ($status !== Status::Stopped->value && microtime(true) < $ends);
    }
}
