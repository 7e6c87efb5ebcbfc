<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Core\Engine;
use Lyger\Server\Fleet;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\ConsoleOutputInterface;
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
            . 'milliseconds, sizes in bytes. Ctrl-C and SIGTERM let running requests end; another one ends at once. '
            . 'SIGHUP reloads the application without losing a request.'
        );
        Options::declare($this);
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $config = Options::config($input);
        $folder = $this->loader->folder($input->getOption('app'));
        $engine = Engine::getInstance();
        $host = $config->text('host');
        $host = str_contains($host, ':') ? "[$host]" : $host;
        $native = $engine->native();
        if ($native !== null && Fleet::isPossible()) {
            $workers = $config->int('workers') === 1 ? '1 worker' : "{$config->int('workers')} workers";
            $serves = "Lyger serves $folder at http://$host:{port} (native engine, $workers)";
            $script = $_SERVER['argv'][0];
            $arguments = ["--app=$folder", ...Options::given($input)];
            return $native->runFleet(Fleet::spec($config, $script, $arguments, $serves));
        }
        Options::sendMessagesToLog($config);
        $engine->configure($config);
        $app = $this->loader->load($folder);
        $how = $engine->isNative() ? 'native engine' : "pure PHP: {$engine->fallbackReason()}";
        $listening = static function (int $port) use ($output, $folder, $how, $host): void {
            $output->writeln("Lyger serves $folder at http://$host:$port ($how)", OutputInterface::OUTPUT_RAW);
        };
        if ($config->isAsked('workers') && $config->int('workers') > 1) {
            $errors = $output instanceof ConsoleOutputInterface ? $output->getErrorOutput() : $output;
            $errors->writeln(
                "workers is {$config->int('workers')}, but one process serves: more need the native engine on Linux",
                OutputInterface::OUTPUT_RAW,
            );
        }
        $engine->serve($app->handle(...), $config->alone(), $listening);
        return ExitCode::DONE;
    }
}
