<?php

declare(strict_types=1);

/** One server under load, and what its processes cost. */
final class Server
{
    /** Clock ticks per second in /proc/<pid>/stat; the same on every Linux that PHP runs on. */
    private const TICKS_PER_SECOND = 100;

    private function __construct(
        public readonly string $name,
        public readonly string $url,
        /** @var list<int> whose trees are counted */
        private readonly array $pids,
        /** @var resource|null */
        private $process = null,
    ) {
    }

    /**
     * @param list<string> $command with {port} in it, which is a free one
     * @param array<string, string> $environment
     */
    public static function start(string $name, array $command, array $environment, string $log, ?int $port = null): self
    {
        $port ??= self::freePort();
        $command = array_map(static fn (string $word) => str_replace('{port}', (string) $port, $word), $command);
        $out = fopen($log, 'w');
        $streams = [['file', '/dev/null', 'r'], $out, $out];
        $process = proc_open($command, $streams, $pipes, null, $environment + getenv());
        $pid = proc_get_status($process)['pid'];
        $server = new self($name, "http://127.0.0.1:$port", [$pid], $process);
        for ($wait = 0; $wait < 200; $wait++) {
            usleep(50_000);
            if (@file_get_contents("$server->url/hello/name-7") !== false) {
                return $server;
            }
            if (!proc_get_status($process)['running']) {
                break;
            }
        }
        $server->stop();
        throw new RuntimeException("$name does not answer:\n" . file_get_contents($log));
    }

    /** Lyger's fleet with the benches' application. */
    public static function fleet(string $name, int $workers, string $folder, string $front = 'axum'): self
    {
        $rawr = dirname(__DIR__, 2) . '/php/bin/rawr';
        $app = __DIR__ . '/app';
        // With opcache, as the peers have it.
        $command = [PHP_BINARY, '-d', 'opcache.enable_cli=1', $rawr, 'serve', "--app=$app", "--workers=$workers", '--port={port}'];
        $server = self::start($name, [...$command, "--front=$front"], ['LYGER_ENGINE' => 'required'], "$folder/$name.log");
        $health = json_decode((string) file_get_contents("$server->url/health"), true);
        if ($health['front'] !== $front) {
            $server->stop();
            throw new RuntimeException(implode(', ', $health['degraded']));
        }
        return $server;
    }

    /** nginx alone, answering everything with the same bytes. */
    public static function nginx(string $folder): self
    {
        $words = ['{folder}' => $folder, '{port}' => (string) self::freePort()];
        file_put_contents("$folder/nginx.conf", strtr((string) file_get_contents(__DIR__ . '/nginx.conf'), $words));
        $command = ['nginx', '-e', "$folder/nginx.log", '-c', "$folder/nginx.conf"];
        return self::start('nginx return 200', $command, [], "$folder/nginx.out", (int) $words['{port}']);
    }

    /** One of tests/support/with-fpm: its variables begin with $prefix. */
    public static function fpm(string $name, string $prefix): self
    {
        $pids = array_map(intval(...), explode(' ', (string) getenv("{$prefix}_PIDS")));
        return new self($name, (string) getenv("{$prefix}_URL"), $pids);
    }

    private static function freePort(): int
    {
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        return (int) substr(strrchr((string) stream_socket_get_name($probe, false), ':'), 1);
    }

    /** The CPU seconds that the processes of this server have used so far. */
    public function cpuSeconds(): float
    {
        $ticks = 0;
        foreach ($this->tree() as $stat) {
            // user, system, and those of children that have ended.
            $ticks += $stat[11] + $stat[12] + $stat[13] + $stat[14];
        }
        return $ticks / self::TICKS_PER_SECOND;
    }

    public function stop(): void
    {
        if ($this->process === null) {
            return;
        }
        $tree = array_keys($this->tree());
        proc_terminate($this->process);
        for ($wait = 0; $wait < 100 && proc_get_status($this->process)['running']; $wait++) {
            usleep(50_000);
        }
        // Those that are left: the workers of `php -S` outlive it.
        foreach ($tree as $pid) {
            posix_kill($pid, SIGKILL);
        }
        proc_close($this->process);
    }

    /** @return array<int, list<string>> the fields of /proc/<pid>/stat from the state on, for the process and all below it */
    private function tree(): array
    {
        $stats = [];
        $children = [];
        foreach (glob('/proc/[0-9]*/stat') as $file) {
            $line = @file_get_contents($file);
            if ($line === false) {
                continue; // it has just ended
            }
            $pid = (int) $line;
            // The name may hold spaces and brackets: what counts comes behind its last one.
            $stats[$pid] = explode(' ', substr($line, strrpos($line, ')') + 2));
            $children[(int) $stats[$pid][1]][] = $pid;
        }
        $tree = [];
        $open = $this->pids;
        while ($open !== []) {
            $pid = array_pop($open);
            if (isset($stats[$pid])) {
                $tree[$pid] = $stats[$pid];
            }
            array_push($open, ...$children[$pid] ?? []);
        }
        return $tree;
    }
}
