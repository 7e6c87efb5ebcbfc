<?php

declare(strict_types=1);

namespace Lyger\Server;

use Closure;
use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Core\Library;
use Lyger\Exception\AddressInUse;
use Lyger\Exception\ServerFailed;
use Lyger\Http\NotRouted;
use Lyger\Http\Request;
use Lyger\Http\Response;

/**
 * The server without the native library: one process, one thread, one request for each connection. Clients that send
 * slowly don't hold others up; a handler that computes does, and /health waits with the rest. So nothing here can end
 * what runs, and nothing can look after who waits: queue_*, half_close_timeout_ms, request_timeout_ms and
 * idle_timeout_ms have no meaning.
 */
final class StreamServer
{
    private const VERSION = Engine::VERSION;
    /** Connections that the kernel completes before they are accepted: a burst, while one handler runs. */
    private const BACKLOG = 512;
    /** stream_select() watches 1,024 descriptors, of which PHP has some; more clients wait in the kernel's queue. */
    private const CONNECTIONS_MAX = 900;

    private const ACCEPT_PAUSE_SECONDS = 0.05;
    private const ACCEPT_LOG_SECONDS = 5.0;
    /** For `OPTIONS *`: see rust/front/routes.rs. */
    private const ALLOW = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

    /** @var resource|null */
    private mixed $listener = null;
    /** @var array<int, Connection> by stream id */
    private array $connections = [];
    private ?Connection $current = null;
    /** What runs, and since when, for a person to read. */
    private string $running = '';
    private float $runningSince = 0.0;
    private float $acceptsAgain = 0.0;
    private float $saysAgain = 0.0;
    private readonly Runner $runner;
    private readonly Proxies $proxies;
    private float $drainEnds = 0.0;
    private bool $draining = false;

    /** @param Closure(Request): mixed $handler */
    public function __construct(Closure $handler, private readonly Config $config, private readonly string $reason)
    {
        $this->runner = Runner::of($handler, $config, false);
        $this->proxies = new Proxies($config);
    }

    /** @param Closure(int): void|null $listening */
    public function run(?Closure $listening): void
    {
        $port = $this->listen();
        $signals = new Signals($this->stop(...), $this->endLate(...), $this->config->int('drain_timeout_ms'));
        $signals->install();
        if ($listening !== null) {
            $listening($port);
        }
        Lifeline::run(
            function () use ($signals): void {
                $this->loop();
                $signals->restore();
            },
            function (): void {
                $this->current?->answer($this->runner->exited());
                $this->current = null;
            },
            $this->die(...),
        );
    }

    /** Begins the drain. */
    public function stop(): void
    {
        if (!$this->draining) {
            $this->draining = true;
            $this->drainEnds = microtime(true) + $this->config->int('drain_timeout_ms') / 1000;
        }
    }

    /** The drain's time is over. What waits and what is slow is closed by the loop; what runs keeps it from turning. */
    private function endLate(): void
    {
        if ($this->current !== null) {
            $ms = (int) ((microtime(true) - $this->runningSince) * 1000);
            fwrite(STDERR, "lyger: {$this->running} still runs after $ms ms and the drain's time is over\n");
            Signals::endProcess(1);
        }
    }

    private function listen(): int
    {
        $host = $this->config->text('host');
        $port = $this->config->int('port');
        $address = str_contains($host, ':') ? "[$host]:$port" : "$host:$port";
        $context = stream_context_create(['socket' => ['backlog' => self::BACKLOG, 'tcp_nodelay' => true]]);
        $flags = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN;
        $listener = @stream_socket_server("tcp://$address", $errno, $error, $flags, $context);
        if ($listener === false) {
            $inUse = function_exists('socket_strerror') && defined('SOCKET_EADDRINUSE') && $errno === SOCKET_EADDRINUSE;
            throw $inUse || stripos((string) $error, 'in use') !== false
                ? AddressInUse::at($host, $port)
                : ServerFailed::because("cannot listen on $address: $error");
        }
        stream_set_blocking($listener, false);
        $this->listener = $listener;
        $name = (string) stream_socket_get_name($listener, false);
        return (int) substr($name, (int) strrpos($name, ':') + 1);
    }

    private function loop(): void
    {
        while (!$this->isDrained()) {
            $this->wait();
            Signals::dispatch();
            foreach ($this->connections as $id => $connection) {
                if ($connection->phase() === Phase::Ready && $this->draining && microtime(true) >= $this->drainEnds) {
                    $connection->refuse(503);
                } elseif ($connection->phase() === Phase::Ready) {
                    $this->current = $connection;
                    $connection->answer($this->respond($connection->request($this->proxies)));
                    $this->current = null;
                } elseif (microtime(true) >= $connection->deadline()) {
                    $connection->expire();
                }
                if ($connection->phase() === Phase::Closed) {
                    unset($this->connections[$id]);
                }
                Signals::dispatch();
            }
        }
    }

    private function wait(): void
    {
        $accepts = $this->listener !== null && count($this->connections) < self::CONNECTIONS_MAX
            && microtime(true) >= $this->acceptsAgain;
        $read = $accepts ? [$this->listener] : [];
        $write = [];
        $deadline = microtime(true) + 1.0;
        foreach ($this->connections as $connection) {
            match ($connection->phase()) {
                Phase::Reading, Phase::Lingering => $read[] = $connection->stream,
                Phase::Writing => $write[] = $connection->stream,
                default => $deadline = 0.0,
            };
            $deadline = min($deadline, $connection->deadline());
        }
        if ($this->draining) {
            $deadline = min($deadline, $this->drainEnds);
        }
        if ($this->acceptsAgain > microtime(true)) {
            $deadline = min($deadline, $this->acceptsAgain);
        }
        $micros = (int) max(0, ($deadline - microtime(true)) * 1e6);
        if ($read === [] && $write === []) {
            usleep(min($micros, 1000));
            return;
        }
        $except = null;
        // False when a signal came.
        if (@stream_select($read, $write, $except, intdiv($micros, 1_000_000), $micros % 1_000_000) === false) {
            return;
        }
        foreach ($read as $stream) {
            if ($stream === $this->listener) {
                $this->accept();
            } else {
                $this->connections[(int) $stream]->read();
            }
        }
        foreach ($write as $stream) {
            $this->connections[(int) $stream]->write();
        }
    }

    private function accept(): void
    {
        while ($this->listener !== null && count($this->connections) < self::CONNECTIONS_MAX) {
            error_clear_last();
            $stream = @stream_socket_accept($this->listener, 0);
            if ($stream === false) {
                $error = error_get_last()['message'] ?? '';
                if (!str_contains($error, 'timed out')) { // that is how it says that nobody waits
                    $this->pauseAccepting($error);
                }
                return;
            }
            $this->connections[(int) $stream] = new Connection($stream, $this->config);
        }
    }

    /** Out of descriptors: the connections that end will free some, and select() would not wait for that. */
    private function pauseAccepting(string $error): void
    {
        $this->acceptsAgain = microtime(true) + self::ACCEPT_PAUSE_SECONDS;
        if (microtime(true) >= $this->saysAgain) {
            $this->saysAgain = microtime(true) + self::ACCEPT_LOG_SECONDS;
            fwrite(STDERR, Runner::oneLine("lyger: $error; who connects waits until there is room") . "\n");
        }
    }

    private function respond(Request $request): Response
    {
        $this->running = Runner::oneLine("{$request->method()} {$request->rawPath()}");
        $this->runningSince = microtime(true);
        $isGet = in_array($request->method(), ['GET', 'HEAD'], true);
        if ($request->rawPath() === '/health') {
            return $isGet ? $this->health() : Response::error(405)->setHeader('Allow', 'GET, HEAD');
        }
        if ($request->rawPath() === '*') {
            return Response::noContent()->setHeader('Allow', self::ALLOW);
        }
        $response = $this->runner->run($request);
        return $response instanceof NotRouted && $isGet && $request->rawPath() === '/' ? $this->root() : $response;
    }

    private function health(): Response
    {
        $status = $this->draining ? 'draining' : 'degraded';
        return Response::json([
            'status' => $status,
            'version' => self::VERSION,
            'abi' => Library::ABI_VERSION,
            'shape' => 'solo',
            'front' => 'php',
            'kernels' => 'php',
            'workers' => ['ready' => 1, 'busy' => 0, 'total' => 1],
            'degraded' => ["pure PHP: {$this->reason}"],
        ], $this->draining ? 503 : 200, ['Cache-Control' => 'no-store']);
    }

    private function root(): Response
    {
        return Response::json(['framework' => 'Lyger', 'version' => self::VERSION, 'message' => 'Hello from Rust! 🦀']);
    }

    private function isDrained(): bool
    {
        if (!$this->draining) {
            return false;
        }
        if ($this->listener !== null) {
            $this->accept(); // who was let in by the kernel before is served
            fclose($this->listener);
            $this->listener = null;
        }
        $isOver = microtime(true) >= $this->drainEnds;
        foreach ($this->connections as $id => $connection) {
            $isIdle = $connection->phase() === Phase::Reading && !$connection->hasBegun();
            if ($isOver || $isIdle || $connection->phase() === Phase::Closed) {
                $connection->close();
                unset($this->connections[$id]);
            }
        }
        return $this->connections === [];
    }

    /** @param array{message: string, file: string, line: int} $error */
    private function die(array $error): void
    {
        $message = Runner::oneLine("{$error['message']} in {$error['file']}:{$error['line']}");
        fwrite(STDERR, "The server ends: $message\n");
        $this->current?->answer($this->runner->died($error));
        $this->current = null;
        $this->stop();
        $this->drainEnds = microtime(true) + 2.0;
        foreach ($this->connections as $connection) {
            if ($connection->phase() === Phase::Ready) {
                $connection->refuse(503);
            }
        }
        while (!$this->isDrained()) {
            $this->wait();
            foreach ($this->connections as $connection) {
                if ($connection->phase() === Phase::Ready) {
                    $connection->refuse(503);
                } elseif (microtime(true) >= $connection->deadline()) {
                    $connection->expire();
                }
            }
        }
    }
}
