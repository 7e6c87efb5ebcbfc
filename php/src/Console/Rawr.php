<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config\Nearest;
use Lyger\Core\Engine;
use Lyger\Exception\AddressInUse;
use Lyger\Exception\InvalidConfig;
use Symfony\Component\Console\Application as Console;
use Symfony\Component\Console\Exception\ExceptionInterface as WrongUsage;
use Symfony\Component\Console\Input\ArgvInput;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\ConsoleOutput;
use Symfony\Component\Console\Output\ConsoleOutputInterface;
use Symfony\Component\Console\Output\OutputInterface;
use Throwable;

/** The `rawr` command. */
final class Rawr
{
    /**
     * @param string|null $home the application's folder, where its own `rawr` calls this
     * @return int the exit code
     */
    public static function run(
        ?string $home = null,
        ?InputInterface $input = null,
        ?OutputInterface $output = null,
    ): int {
        $loader = new AppLoader($home);
        $console = new Console('Lyger', Engine::VERSION);
        $console->setAutoExit(false);
        $console->setCatchExceptions(false);
        $commands = [
            new ServeCommand($loader),
            new StatusCommand($loader),
            new ReloadCommand($loader),
            new DoctorCommand(),
            new RoutesCommand($loader),
            new FrontCommand(),
            new ZygoteCommand($loader),
        ];
        foreach ($commands as $command) {
            // Symfony 8 calls it addCommand().
            method_exists($console, 'addCommand') ? $console->addCommand($command) : $console->add($command);
        }
        $output ??= new ConsoleOutput();
        $errors = $output instanceof ConsoleOutputInterface ? $output->getErrorOutput() : $output;
        $input ??= new ArgvInput();
        try {
            return $console->run($input, $output);
        } catch (Throwable $problem) {
            $errors->writeln(self::explained($problem, $console, $input), OutputInterface::OUTPUT_RAW);
            if ($output->isVerbose()) {
                $errors->writeln((string) $problem, OutputInterface::OUTPUT_RAW);
            }
            return match (true) {
                $problem instanceof WrongUsage, $problem instanceof InvalidConfig => ExitCode::WRONG_USAGE,
                $problem instanceof AddressInUse => ExitCode::ADDRESS_TAKEN,
                $problem instanceof BootFailed => ExitCode::BOOT_FAILED,
                default => ExitCode::FAILED,
            };
        }
    }

    /** What is wrong; of an unknown option also the one that may have been meant, which Symfony doesn't say. */
    private static function explained(Throwable $problem, Console $console, InputInterface $input): string
    {
        $message = $problem->getMessage();
        $command = (string) $input->getFirstArgument();
        $isUnknown = preg_match('/^The "--([^"]*)" option does not exist\.$/D', $message, $match) === 1;
        if (!$isUnknown || !$problem instanceof WrongUsage || !$console->has($command)) {
            return $message;
        }
        $options = array_keys($console->get($command)->getDefinition()->getOptions());
        $nearest = Nearest::to(strtr($match[1], '_.', '--'), $options);
        return $nearest === null ? $message : "$message Did you mean --$nearest?";
    }
}
