<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use RuntimeException;

/** A real redis-server of one's own, at a socket in a temporary folder. It ends with this object. */
final class RedisServer
{
    private const START_SECONDS_MAX = 30;

    public readonly string $socket;
    private readonly string $folder;
    /** @var resource */
    private $process;

    /** @param int $clockSeconds by how much its clock differs from this machine's */
    public function __construct(int $clockSeconds = 0)
    {
        $this->folder = sys_get_temp_dir() . '/lyger-redis-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
        $this->socket = "{$this->folder}/socket";
        $command = ['redis-server', '--port', '0', '--unixsocket', $this->socket, '--save', '', '--dir', $this->folder];
        $nothing = ['file', '/dev/null', 'w'];
        $environment = $clockSeconds === 0 ? null : $this->otherClock($clockSeconds);
        $process = proc_open($command, [['file', '/dev/null', 'r'], $nothing, $nothing], $pipes, null, $environment);
        $this->process = is_resource($process) ? $process : throw new RuntimeException('redis-server does not start');
        $until = microtime(true) + self::START_SECONDS_MAX;
        // The socket is there a moment before anybody listens.
        while (@stream_socket_client("unix://{$this->socket}") === false) {
            if (microtime(true) > $until || !proc_get_status($this->process)['running']) {
                throw new RuntimeException('redis-server does not start');
            }
            usleep(10_000);
        }
    }

    /** @return array<string, string> what to start it with */
    private function otherClock(int $seconds): array
    {
        $source = __DIR__ . '/../../../tests/support/other_clock.c';
        $library = "{$this->folder}/clock.so";
        $words = ['cc', '-shared', '-fPIC', '-o', $library, $source, '-ldl'];
        exec(implode(' ', array_map(escapeshellarg(...), $words)) . ' 2>&1', $output, $code);
        $code === 0 || throw new RuntimeException(implode("\n", $output));
        return ['LD_PRELOAD' => $library, 'LYGER_CLOCK_SECONDS' => (string) $seconds] + getenv();
    }

    public static function isThere(): bool
    {
        exec('command -v redis-server', $output, $code);
        return $code === 0;
    }

    public function dsn(string $options = ''): string
    {
        return "redis+unix://{$this->socket}" . ($options === '' ? '' : "?$options");
    }

    public function __destruct()
    {
        proc_terminate($this->process, SIGKILL);
        proc_close($this->process);
        array_map(unlink(...), glob("{$this->folder}/*") ?: []);
        @rmdir($this->folder);
    }
}
