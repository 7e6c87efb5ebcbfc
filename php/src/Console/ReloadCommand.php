<?php

declare(strict_types=1);

namespace Lyger\Console;

use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\ConsoleOutputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr reload */
final class ReloadCommand extends Command
{
    public function __construct(private readonly AppLoader $loader)
    {
        parent::__construct('reload');
    }

    protected function configure(): void
    {
        $this->setDescription('Has a running server load the application anew');
        $this->setHelp(
            'Ends with 0 when the new code serves. When it doesn\'t boot, the reason is shown, the old code serves on, '
            . 'and the exit code is 1. No request is lost.'
        );
        RunningServer::declare($this);
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $answer = RunningServer::ask('reload', $input, $this->loader);
        if (isset($answer['error'])) {
            $errors = $output instanceof ConsoleOutputInterface ? $output->getErrorOutput() : $output;
            $errors->writeln(['The reload has failed:', (string) $answer['error']], OutputInterface::OUTPUT_RAW);
            return ExitCode::FAILED;
        }
        $output->writeln("Generation {$answer['generation']} serves");
        return ExitCode::DONE;
    }
}
