<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Exception\LygerException;
use Lyger\Exception\ServerFailed;
use Lyger\Server\ControlSocket;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Exception\InvalidOptionException;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;

/** The one server that a command is about. */
final class RunningServer
{
    public static function declare(Command $command): void
    {
        $options = [
            'app' => 'the application\'s folder, as `rawr serve` has it',
            'host' => 'the address, where several servers run',
            'port' => 'the port, where several servers run',
        ];
        foreach ($options as $name => $description) {
            $command->addOption($name, null, InputOption::VALUE_REQUIRED, $description);
        }
    }

    /**
     * @return array<string, mixed> its answer
     * @throws ServerFailed when there is none, or several
     */
    public static function ask(string $question, InputInterface $input, AppLoader $loader): array
    {
        $port = $input->getOption('port');
        if ($port !== null && preg_match('/^\d{1,5}$/D', (string) $port) !== 1) {
            throw new InvalidOptionException("--port is \"$port\", but must be a number");
        }
        $app = $loader->folder($input->getOption('app'));
        $host = $input->getOption('host');
        $servers = ControlSocket::connect($app, $host, $port === null ? null : (int) $port);
        if (count($servers) === 1) {
            return ControlSocket::ask($servers[0], $question);
        }
        $which = ControlSocket::absolute($app) . ($host === null ? '' : " at $host")
            . ($port === null ? '' : " with port $port");
        throw $servers === []
            ? new ServerFailed("no server runs for $which" . self::listed(ControlSocket::connect(null)))
            : new ServerFailed("several servers run for $which: choose with --port or --host" . self::listed($servers));
    }

    /** @param list<resource> $servers */
    private static function listed(array $servers): string
    {
        $lines = '';
        foreach ($servers as $server) {
            try {
                $status = ControlSocket::ask($server, 'status');
                $lines .= "\n  {$status['app']} at {$status['host']} with port {$status['port']}";
            } catch (LygerException) {
                // It has just ended.
            }
        }
        return $lines === '' ? '' : ". These run:$lines";
    }
}
