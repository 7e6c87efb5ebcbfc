<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use RuntimeException;

/** `rawr serve` or a script of its own, in another process on a free port. */
final class ServerProcess
{
    private const START_SECONDS_MAX = 20.0;
    private const READ_SECONDS_MAX = 20;

    /** @var resource */
    private mixed $process;
    /** @var array<int, resource> */
    private array $pipes;
    private int $port = 0;
    private string $output = '';
    private ?int $exitCode = null;
    /** @var list<string> files to remove */
    private array $released = [];

    /**
     * @param list<string> $command
     * @param array<string, string> $environment
     */
    private function __construct(array $command, array $environment)
    {
        $this->pipes = [];
        $streams = [['file', '/dev/null', 'r'], ['pipe', 'w'], ['file', $this->errorFile(), 'w']];
        $process = proc_open($command, $streams, $this->pipes, null, $environment + getenv());
        if ($process === false) {
            throw new RuntimeException('cannot start ' . implode(' ', $command));
        }
        $this->process = $process;
    }

    /**
     * @param list<string> $flags
     * @param array<string, string> $environment
     * @param string $name of an application in php/tests/apps
     */
    public static function rawr(array $flags = [], array $environment = [], string $name = 'trouble'): self
    {
        $app = dirname(__DIR__) . "/apps/$name";
        $rawr = dirname(__DIR__, 2) . '/bin/rawr';
        return self::script([$rawr, 'serve', "--app=$app", '--port=0', ...$flags], $environment);
    }

    /**
     * The same application in one process, whichever engine it is: what Engine::startServer() serves.
     *
     * @param list<string> $flags
     * @param array<string, string> $environment SOLO_APP is the application, trouble if there is none
     */
    public static function solo(array $flags = [], array $environment = []): self
    {
        return self::script([dirname(__DIR__) . '/apps/solo.php', ...$flags], $environment);
    }

    /**
     * @param list<string> $arguments
     * @param array<string, string> $environment
     */
    public static function script(array $arguments, array $environment = []): self
    {
        return self::command([PHP_BINARY, ...$arguments], $environment);
    }

    /** PHP's own server with this script for every request. */
    public static function oracle(string $script): self
    {
        // It writes where it listens to standard error.
        return self::command(['/bin/sh', '-c', 'exec "$0" -S 127.0.0.1:0 "$1" 2>&1', PHP_BINARY, $script]);
    }

    /**
     * @param list<string> $command
     * @param array<string, string> $environment
     */
    public static function command(array $command, array $environment = []): self
    {
        $server = new self($command, $environment);
        $ends = microtime(true) + self::START_SECONDS_MAX;
        stream_set_blocking($server->pipes[1], false);
        while (preg_match('~http://[^ ]*:(\d+)~', $server->output, $match) !== 1) {
            $server->output .= fread($server->pipes[1], 8192);
            if (microtime(true) > $ends || !$server->isRunning()) {
                throw new RuntimeException("no server: {$server->output}{$server->errors()}");
            }
            usleep(5000);
        }
        $server->port = (int) $match[1];
        return $server;
    }

    public function port(): int
    {
        return $this->port;
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    /** @param array<string, string> $headers */
    public function ask(string $method, string $target, array $headers = [], string $body = ''): Answer
    {
        return $this->finish($this->begin($method, $target, $headers, $body));
    }

    /**
     * @param array<string, string> $headers
     * @return resource
     */
    public function begin(string $method, string $target, array $headers = [], string $body = ''): mixed
    {
        $head = "$method $target HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        $headers += $body === '' ? [] : ['Content-Length' => (string) strlen($body)];
        foreach ($headers as $name => $value) {
            $head .= "$name: $value\r\n";
        }
        return $this->send("$head\r\n$body");
    }

    /** @return resource */
    public function send(string $bytes): mixed
    {
        $ends = microtime(true) + 2.0;
        while (($socket = @stream_socket_client("tcp://127.0.0.1:{$this->port}", $errno, $error, 5)) === false) {
            // A script may say where it listens a moment before it does.
            if (microtime(true) > $ends) {
                throw new RuntimeException($error);
            }
            usleep(5000);
        }
        stream_set_timeout($socket, self::READ_SECONDS_MAX);
        // A server that refuses early may close before everything is sent.
        @fwrite($socket, $bytes);
        return $socket;
    }

    /** @param resource $socket */
    public function finish(mixed $socket): Answer
    {
        $bytes = (string) @stream_get_contents($socket);
        fclose($socket);
        return Answer::parse($bytes);
    }

    public function signal(int $signal): void
    {
        proc_terminate($this->process, $signal);
    }

    /** The exit code, once it has ended. */
    public function wait(float $secondsMax = 15.0): int
    {
        $ends = microtime(true) + $secondsMax;
        while ($this->isRunning()) {
            if (microtime(true) > $ends) {
                $this->signal(SIGKILL);
                throw new RuntimeException("the server didn't end: {$this->errors()}");
            }
            usleep(5000);
        }
        return (int) $this->exitCode;
    }

    public function isRunning(): bool
    {
        if ($this->exitCode !== null) {
            return false;
        }
        $status = proc_get_status($this->process);
        if (!$status['running']) {
            // Told once only. A signal counts as in the shell.
            $this->exitCode = $status['signaled'] ? 128 + $status['termsig'] : $status['exitcode'];
        }
        return $status['running'];
    }

    /** What it wrote to standard error. */
    public function errors(): string
    {
        return (string) file_get_contents($this->errorFile());
    }

    /** Waits until it has written this to standard error. */
    public function awaitError(string $text, float $secondsMax = 20.0): void
    {
        for ($ends = microtime(true) + $secondsMax; !str_contains($this->errors(), $text);) {
            if (microtime(true) > $ends) {
                throw new RuntimeException("\"$text\" is not in: {$this->errors()}");
            }
            usleep(2000);
        }
    }

    /**
     * A request that runs until release() is called with its name.
     *
     * @return resource
     */
    public function hold(string $name): mixed
    {
        $socket = $this->begin('GET', "/hold/$name");
        $this->awaitError("holds $name");
        return $socket;
    }

    public function release(string $name): void
    {
        touch(sys_get_temp_dir() . "/$name");
        $this->released[] = sys_get_temp_dir() . "/$name";
    }

    /** What it wrote to standard output. */
    public function output(): string
    {
        return $this->output .= stream_get_contents($this->pipes[1]);
    }

    public function stop(): void
    {
        if ($this->isRunning()) {
            $this->signal(SIGKILL);
            $this->wait();
        }
        array_map(unlink(...), $this->released);
        $this->released = [];
        @unlink($this->errorFile());
    }

    private function errorFile(): string
    {
        return sys_get_temp_dir() . '/lyger-test-' . getmypid() . '-' . spl_object_id($this) . '.err';
    }
}
