<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Core\Engine;
use Lyger\Server\Fleet;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
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
        Options::declare($this);
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $engine = Engine::getInstance();
        $native = $engine->native();
        if ($native?->forkWorkers() === null) {
            return ExitCode::DONE;
        }
        // From here on this is a worker.
        Fleet::beWorker();
        $config = Options::config($input);
        Options::sendMessagesToLog($config);
        $engine->configure($config);
        $native->work($this->loader->load((string) $input->getOption('app'))->handle(...), $config);
        return ExitCode::DONE;
    }
}
