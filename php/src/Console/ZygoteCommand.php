<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Leaks\Watch;
use Lyger\Server\Fleet;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr fleet:zygote, which `rawr serve` starts: it forks workers, and each of them runs the application. */
final class ZygoteCommand extends Command
{
    public function __construct(private readonly AppLoader $loader)
    {
        parent::__construct('fleet:zygote');
    }

    protected function configure(): void
    {
        $this->setHidden(true);
        $this->setDescription('Forks the workers of a fleet; started by rawr serve');
        $this->addOption('app', null, InputOption::VALUE_REQUIRED, 'the folder of the application');
        $this->addOption('settings', null, InputOption::VALUE_REQUIRED, 'what rawr serve has found out, as JSON');
        $this->addOption('leaks', null, InputOption::VALUE_REQUIRED, 'tell what grew after each so many requests');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        // Output that nobody takes any more is lost, and ends neither the boot nor a handler.
        ignore_user_abort(true);
        $engine = Engine::getInstance();
        $native = $engine->native();
        if ($native?->forkWorkers() === null) {
            return ExitCode::DONE;
        }
        // From here on this is a worker.
        Fleet::beWorker();
        // Not found out again: front and workers go by one configuration, also after a reload.
        $config = Config::resolve(json_decode((string) $input->getOption('settings'), true, 4, JSON_THROW_ON_ERROR));
        Options::sendMessagesToLog($config);
        $engine->configure($config);
        $app = $this->loader->load((string) $input->getOption('app'), $native->bootFailed(...));
        $handler = $app->handle(...);
        $every = $input->getOption('leaks');
        $native->work($every === null ? $handler : Watch::over($handler, (int) $every), $config);
        return ExitCode::DONE;
    }
}
