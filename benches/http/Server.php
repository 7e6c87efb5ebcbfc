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
     * One that runs already and is somebody else's to stop.
     *
     * @param list<int> $pids
     */
    public static function running(string $name, string $url, array $pids): self
    {
        return new self($name, $url, $pids);
    }

    /**
     * @param list<string> $command with {port} in it, which is a free one
     * @param array<string, string> $environment
     */
    public static function start(string $name, array $command, array $environment, string $log): self
    {
        $probe = stream_socket_server('tcp://127.0.0.1:0');
        $port = (int) substr(strrchr((string) stream_socket_get_name($probe, false), ':'), 1);
        fclose($probe);
        $command = array_map(static fn (string $word) => str_replace('{port}', (string) $port, $word), $command);
        $out = fopen($log, 'w');
        $streams = [['file', '/dev/null', 'r'], $out, $out];
        $process = proc_open($command, $streams, $pipes, null, $environment + getenv());
        $pid = proc_get_status($process)['pid'];
        $server = new self($name, "http://127.0.0.1:$port", [$pid], $process);
        for ($wait = 0; $wait < 200; $wait++) {
            usleep(50_000);
            if (@file_get_contents("$server->url/sqlite/1/1") !== false) {
                return $server;
            }
            if (!proc_get_status($process)['running']) {
                break;
            }
        }
        $server->stop();
        throw new RuntimeException("$name does not answer:\n" . file_get_contents($log));
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
        // All of them: the workers of `php -S` outlive it.
        foreach (array_reverse(array_keys($this->tree())) as $pid) {
            posix_kill($pid, SIGTERM);
        }
        for ($wait = 0; $wait < 100 && proc_get_status($this->process)['running']; $wait++) {
            usleep(50_000);
        }
        proc_terminate($this->process, SIGKILL);
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
