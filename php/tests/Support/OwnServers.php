<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use RuntimeException;

/** A PostgreSQL and a MariaDB of a test's own, which it may stop and start. */
final class OwnServers
{
    public readonly string $postgres;
    public readonly string $mysql;
    /** @var resource */
    private $process;
    /** @var array<int, resource> */
    private array $pipes = [];

    public function __construct()
    {
        $environment = array_diff_key(getenv(), ['LYGER_TEST_POSTGRES' => '', 'LYGER_TEST_MYSQL' => '']);
        $process = proc_open(
            [
                dirname(__DIR__, 3) . '/tests/support/with-services',
                'sh', '-c', 'echo "$LYGER_TEST_POSTGRES"; echo "$LYGER_TEST_MYSQL"; exec cat',
            ],
            [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']],
            $this->pipes,
            null,
            $environment,
        );
        if ($process === false) {
            throw new RuntimeException('with-services does not start');
        }
        $this->process = $process;
        $this->postgres = $this->line(1);
        $this->mysql = $this->line(1);
    }

    public function stop(): void
    {
        $this->tell(SIGUSR1, 'with-services: stopped');
    }

    public function start(): void
    {
        $this->tell(SIGUSR2, 'with-services: started');
    }

    /** Ends both servers and removes their files. */
    public function end(): void
    {
        array_map(fclose(...), $this->pipes);
        proc_close($this->process);
    }

    private function tell(int $signal, string $answer): void
    {
        posix_kill(proc_get_status($this->process)['pid'], $signal);
        $line = $this->line(2);
        if ($line !== $answer) {
            throw new RuntimeException("$line instead of $answer");
        }
    }

    private function line(int $pipe): string
    {
        $line = fgets($this->pipes[$pipe]);
        return $line === false
            ? throw new RuntimeException('with-services ended: ' . stream_get_contents($this->pipes[2]))
            : trim($line);
    }
}
