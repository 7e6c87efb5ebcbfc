<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Core\Library;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\OutputInterface;

/**
 * rawr doctor: 0 when the engine can be used as LYGER_ENGINE asks, 2 when the environment asks for what cannot be,
 * else 1: what `rawr serve` would end with.
 */
final class DoctorCommand extends Command
{
    public function __construct()
    {
        parent::__construct('doctor');
    }

    protected function configure(): void
    {
        $this->setDescription('Looks at this installation and says what is missing');
        $this->addOption('json', null, InputOption::VALUE_NONE, 'as JSON');
        $this->addOption('preload', null, InputOption::VALUE_NONE, 'print the file for ffi.preload, for php-fpm');
        $this->setHelp(
            "Under php-fpm PHP lets nobody load a library but at its start, and only preloaded code use it:\n\n"
            . "  php rawr doctor --preload > /etc/php/lyger.h\n\n"
            . "and in php.ini:\n\n"
            . "  ffi.preload=/etc/php/lyger.h\n"
            . '  opcache.preload=' . dirname(__DIR__, 2) . "/preload.php\n"
            . '  opcache.preload_user=www-data'
        );
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        if ($input->getOption('preload')) {
            $output->write((new Library())->preloadHeader(), false, OutputInterface::OUTPUT_RAW);
            return ExitCode::DONE;
        }
        $doctor = new Doctor();
        $checks = $doctor->checks();
        $failed = array_filter($checks, static fn (Check $check): bool => !$check->ok);
        $mode = getenv('LYGER_ENGINE') ?: 'auto';
        if ($input->getOption('json')) {
            $report = ['ok' => $failed === [], 'mode' => $mode, 'checks' => $checks];
            $flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
            $output->writeln((string) json_encode($report, $flags), OutputInterface::OUTPUT_RAW);
        } else {
            $this->print($checks, $output);
        }
        if ($doctor->isMisconfigured()) {
            return ExitCode::WRONG_USAGE;
        }
        $isFatal = static fn (Check $check): bool => $check->name === 'php' || $check->name === 'engine';
        return $mode === 'required' && array_filter($failed, $isFatal) !== [] ? ExitCode::FAILED : ExitCode::DONE;
    }

    /** @param list<Check> $checks */
    private function print(array $checks, OutputInterface $output): void
    {
        foreach ($checks as $check) {
            $mark = $check->ok ? '<info>ok</info>     ' : '<comment>missing</comment>';
            $output->writeln(sprintf('%s  %-9s ', $mark, $check->name) . $this->plain($check->value));
            if (!$check->ok) {
                $output->writeln('                    ' . $this->plain($check->hint));
            }
        }
    }

    private function plain(string $text): string
    {
        return \Symfony\Component\Console\Formatter\OutputFormatter::escape($text);
    }
}
