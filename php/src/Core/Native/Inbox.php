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
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Server\Runner;

// What PHP knows when it compiles costs less with each request.
use function in_array;
use function strlen;
use function substr;

/** Where a worker's requests come from and its answers go: the engine's side is a lane. */
final class Inbox
{
    /** No request came, and nothing is wrong. */
    private const NOTHING = [Status::Timeout, Status::Interrupted, Status::Finished];

    private readonly FFI $ffi;
    private readonly CData $head;
    private readonly CData $headPointer;
    private readonly CData $needed;
    private readonly CData $neededPointer;
    private CData $line;
    private int $lineBytes = 16_384;
    private bool $isClosed = false;

    public function __construct(private readonly Abi $abi)
    {
        $this->ffi = $abi->ffi;
        $this->head = $this->ffi->new('lyger_request_head');
        $this->headPointer = FFI::addr($this->head);
        $this->needed = $this->ffi->new('size_t');
        $this->neededPointer = FFI::addr($this->needed);
        $this->line = $this->ffi->new("char[{$this->lineBytes}]");
    }

    /**
     * Waits up to $waitMs for the next request. Null when none came, a signal or a statement's end did, or the server
     * has stopped.
     */
    public function take(int $waitMs): ?NativeSource
    {
        do {
            $status = $this->ffi->lyger_worker_next(
                $waitMs,
                $this->headPointer,
                $this->line,
                $this->lineBytes,
                $this->neededPointer,
            );
            if ($status === Status::Ok->value) {
                return $this->source();
            }
            if ($status === Status::BufferTooSmall->value) {
                $this->lineBytes = $this->needed->cdata;
                $this->line = $this->ffi->new("char[{$this->lineBytes}]");
            }
        } while ($status === Status::BufferTooSmall->value);
        if ($status === Status::Stopped->value) {
            $this->isClosed = true;
        } elseif (!in_array(Status::tryFrom($status), self::NOTHING, true)) {
            throw $this->abi->failure($status);
        }
        return null;
    }

    /** Whether the server has stopped: no further request comes. */
    public function isClosed(): bool
    {
        return $this->isClosed;
    }

    /**
     * Says which of several requests the worker goes on with: a crash is that one's. False for one whose front has
     * died; it is run to its end all the same.
     */
    public function enter(NativeSource $request): bool
    {
        return $this->ffi->lyger_request_enter($request->id) === Status::Ok->value;
    }

    public function answer(NativeSource $request, Response $response): void
    {
        try {
            $this->abi->check($this->respond($request, $response));
        } catch (InvalidHandle) {
            // The client has gone, or waited for request_timeout_ms and was told so.
        } catch (LygerException $exception) {
            error_log(Runner::oneLine("the answer could not be sent: {$exception->getMessage()}"));
            $this->respond($request, Response::error(500));
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
        return new NativeSource($this->abi, $head->id, $method, $path, substr($line, $pathEnd), $head->body_len);
    }

    private function respond(NativeSource $request, Response $response): int
    {
        $id = $request->id;
        if ($response instanceof NotRouted && $request->isRoot()) {
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
            [$dsn, $sql, $options] = [$response->dsn(), $response->sql(), $response->options()];
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
                $options,
                strlen($options),
            );
        }
        $body = $response->body();
        return $this->ffi->lyger_request_respond($id, $status, $headers, $headersBytes, $body, strlen($body));
    }
}
