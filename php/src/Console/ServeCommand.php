<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Exception\InvalidConfig;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr serve */
final class ServeCommand extends Command
{
    public function __construct(private readonly AppLoader $loader)
    {
        parent::__construct('serve');
    }

    protected function configure(): void
    {
        $this->setDescription('Serves an application over HTTP');
        $this->setHelp(
            'Every setting can also come from the environment: --queue-max is LYGER_QUEUE_MAX. Times are in '
            . 'milliseconds, sizes in bytes. Ctrl-C and SIGTERM let running requests end; another one ends at once.'
        );
        $this->addOption('app', null, InputOption::VALUE_REQUIRED, 'the folder of the application\'s bootstrap.php');
        foreach (Config::KEYS as $key => $default) {
            $mode = is_bool($default) ? InputOption::VALUE_NONE : InputOption::VALUE_REQUIRED;
            $this->addOption(self::flag($key), null, $mode, self::description($key, $default));
        }
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $config = self::config($input);
        if ($config->int('workers') > 1) {
            throw InvalidConfig::impossible('workers', (string) $config->int('workers'), Engine::WORKERS);
        }
        $folder = $this->loader->folder($input->getOption('app'));
        // To stderr and the log: PHP's own messages would otherwise be part of the answers.
        ini_set('display_errors', $config->bool('debug') ? 'stderr' : '0');
        ini_set('log_errors', $config->bool('debug') ? '0' : '1');
        $engine = Engine::getInstance();
        $engine->configure($config);
        $app = $this->loader->load($folder);
        $host = $config->text('host');
        $host = str_contains($host, ':') ? "[$host]" : $host;
        $how = $engine->isNative() ? 'native engine' : "pure PHP: {$engine->fallbackReason()}";
        $listening = static function (int $port) use ($output, $folder, $how, $host): void {
            $output->writeln("Lyger serves $folder at http://$host:$port ($how)", OutputInterface::OUTPUT_RAW);
        };
        $engine->serve($app->handle(...), $config, $listening);
        return ExitCode::DONE;
    }

    private static function config(InputInterface $input): Config
    {
        $given = [];
        foreach (array_keys(Config::KEYS) as $key) {
            $value = $input->hasOption(self::flag($key)) ? $input->getOption(self::flag($key)) : null;
            if ($value !== null && $value !== false) {
                $given[$key] = $value;
            }
        }
        return Config::resolve($given);
    }

    private static function flag(string $key): string
    {
        return strtr($key, '._', '--');
    }

    private static function description(string $key, mixed $default): string
    {
        return match (true) {
            $key === 'workers' => Engine::WORKERS,
            $key === 'debug' => 'show clients the details of errors',
            $key === 'port' => 'the port, 0 for any free one [8000]',
            $default === [] => 'addresses and networks, separated by commas, whose X-Forwarded-For is believed',
            is_array($default) => "$default[1] to $default[2] [$default[0]]",
            default => "[$default]",
        };
    }
}
