<?php

declare(strict_types=1);

namespace Lyger\Console;

use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Formatter\OutputFormatter;
use Symfony\Component\Console\Helper\Table;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr status */
final class StatusCommand extends Command
{
    public function __construct(private readonly AppLoader $loader)
    {
        parent::__construct('status');
    }

    protected function configure(): void
    {
        $this->setDescription('Shows what a running server and its workers do');
        RunningServer::declare($this);
        $this->addOption('json', null, InputOption::VALUE_NONE, 'as JSON');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $status = RunningServer::ask('status', $input, $this->loader);
        if ($input->getOption('json')) {
            $flags = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_PRETTY_PRINT;
            $output->writeln(json_encode($status, $flags), OutputInterface::OUTPUT_RAW);
            return ExitCode::DONE;
        }
        $generation = $status['generation'] === null ? 'no generation yet' : "generation {$status['generation']}";
        $loading = $status['loading'] === null ? '' : ", generation {$status['loading']} is loading";
        $front = $status['front'] === null
            ? 'no front: it is being started'
            : "front {$status['front']['pid']}, up " . self::span($status['front']['age_seconds']);
        $output->writeln([
            "{$status['app']} at {$status['host']} with port {$status['port']}: "
                . "{$status['state']}, $generation$loading",
            "master {$status['pid']}, up " . self::span($status['uptime_seconds']),
            "$front, " . ($status['connections'] ?? '?') . ' connections, ' . ($status['waiting'] ?? '?') . ' waiting',
            ...self::redis($status['resp'] ?? null),
            ...self::cache($status['cache'] ?? null),
            '',
        ], OutputInterface::OUTPUT_RAW);
        $table = new Table($output);
        $table->setStyle('compact');
        $table->setHeaders(['worker', 'pid', 'generation', 'state', 'requests', 'memory', 'age', 'current request']);
        foreach ($status['workers'] as $worker) {
            $table->addRow([
                $worker['worker'],
                $worker['pid'] ?? '',
                $worker['generation'],
                $worker['state'],
                $worker['requests'] ?? '',
                $worker['memory_bytes'] === null ? '' : sprintf('%.1f MB', $worker['memory_bytes'] / 1_000_000),
                self::span($worker['age_seconds']),
                $worker['request_age_ms'] === null ? '' : "{$worker['request_age_ms']} ms",
            ]);
        }
        $table->render();
        $this->tellDatabases($output, $status['databases'] ?? []);
        return ExitCode::DONE;
    }

    /**
     * @param array<string, int>|null $cache as in stats()
     * @return list<string>
     */
    private static function cache(?array $cache): array
    {
        if ($cache === null) {
            return [];
        }
        $full = static fn (string $of): string => sprintf('%.0f %%', 100 * $cache[$of] / $cache["{$of}_max"]);
        return ["cache of {$cache['keys']} keys: {$full('bytes')} of its bytes are used, of those for counters of "
            . "rates {$full('rate_bytes')}, for locks {$full('lock_bytes')}, for makers' {$full('flight_bytes')}, for "
            . "sessions {$full('session_bytes')}"];
    }

    /**
     * @param array{listen: string, threads: int, clients: int}|null $server
     * @return list<string>
     */
    private static function redis(?array $server): array
    {
        return $server === null
            ? []
            : ["Redis clients at {$server['listen']}: {$server['clients']} connected, {$server['threads']} threads"];
    }

    /** @param list<array{dsn: string, in_use: int, idle: int, connections_max: int, server_connections_max: ?int}> $pools */
    private function tellDatabases(OutputInterface $output, array $pools): void
    {
        if ($pools === []) {
            return;
        }
        $output->writeln('');
        $table = new Table($output);
        $table->setStyle('compact');
        $table->setHeaders(['database', 'in use', 'idle', 'of', 'server takes']);
        foreach ($pools as $pool) {
            $table->addRow([
                OutputFormatter::escape($pool['dsn']),
                $pool['in_use'],
                $pool['idle'],
                $pool['connections_max'],
                $pool['server_connections_max'] ?? '?',
            ]);
        }
        $table->render();
    }

    /** 59 s, 59 min, 23 h 59 min, 9 d 23 h */
    private static function span(int $seconds): string
    {
        [$minutes, $hours, $days] = [intdiv($seconds, 60), intdiv($seconds, 3600), intdiv($seconds, 86_400)];
        return match (true) {
            $minutes === 0 => "$seconds s",
            $hours === 0 => "$minutes min",
            $days === 0 => "$hours h " . $minutes % 60 . ' min',
            default => "$days d " . $hours % 24 . ' h',
        };
    }
}
