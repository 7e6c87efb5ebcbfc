<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Core\Engine;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr fleet:front, which `rawr serve` starts: the process with the sockets. */
final class FrontCommand extends Command
{
    public function __construct()
    {
        parent::__construct('fleet:front');
    }

    protected function configure(): void
    {
        $this->setHidden(true);
        $this->setDescription('The front of a fleet; started by rawr serve');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        Engine::getInstance()->native()?->runFront();
        return ExitCode::DONE;
    }
}
