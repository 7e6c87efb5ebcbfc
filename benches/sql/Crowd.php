<?php

declare(strict_types=1);

use function Lyger\async;
use function Lyger\await;

/** Statements of one row of 16 askers at once: Fibers of this process, or processes with PDO. */
final class Crowd
{
    public const ASKERS = 16;

    /** @var list<array{resource, resource, resource}> process, input, output */
    private array $processes = [];

    public function __construct(private readonly Place $place)
    {
        for ($asker = 0; $asker < self::ASKERS; $asker++) {
            $command = [PHP_BINARY, '-d', 'opcache.enable_cli=1', __DIR__ . '/one.php'];
            $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w']], $pipes);
            $this->processes[] = [$process, $pipes[0], $pipes[1]];
        }
        foreach ($this->processes as [, , $output]) {
            if (fgets($output) !== "ready\n") {
                throw new RuntimeException('a process of PDO does not begin');
            }
        }
    }

    public function end(): void
    {
        foreach ($this->processes as [$process, $input]) {
            fclose($input);
            proc_close($process);
        }
    }

    /** @return array{wall: float, cpu: float} microseconds a statement */
    public function processes(int $times): array
    {
        $start = hrtime(true);
        foreach ($this->processes as [, $input]) {
            fwrite($input, "$times\n");
        }
        $cpu = 0.0;
        foreach ($this->processes as [, , $output]) {
            $line = fgets($output);
            $cpu += $line === false ? throw new RuntimeException('a process of PDO has ended') : (float) $line;
        }
        $statements = $times * self::ASKERS;
        return ['wall' => (hrtime(true) - $start) / 1e3 / $statements, 'cpu' => $cpu / $statements];
    }

    /** @return array{wall: float, cpu: float} microseconds a statement */
    public function fibers(int $times): array
    {
        $ask = function () use ($times): void {
            for ($time = 0; $time < $times; $time++) {
                $this->place->db->row(Place::ONE, [1 + $time * 7919 % Place::PRODUCTS])
                    ?? throw new RuntimeException('there is no such row');
            }
        };
        $turn = turn(static fn () => await(array_map(static fn () => async($ask), range(1, self::ASKERS))), 1);
        $statements = $times * self::ASKERS;
        return ['wall' => $turn['wall'] / $statements, 'cpu' => $turn['cpu'] / $statements];
    }
}
