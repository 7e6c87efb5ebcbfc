<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\InvalidDsn;
use Lyger\Leaks\Watch;
use Lyger\Server\Fleet;
use Lyger\Server\Shape;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;
use Symfony\Component\Console\Output\ConsoleOutputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** rawr serve */
final class ServeCommand extends Command
{
    /** Requests: enough for a leak of a few bytes in each to show. */
    private const LEAKS_EVERY = 1_000;
    private const LEAKS_EVERY_MAX = 1_000_000_000;

    public function __construct(private readonly AppLoader $loader)
    {
        parent::__construct('serve');
    }

    protected function configure(): void
    {
        $this->setDescription('Serves an application over HTTP');
        $this->setHelp(
            'Every setting can also come from the environment, --queue-max as LYGER_QUEUE_MAX, and from lyger.toml in '
            . 'the application\'s folder, as queue_max. A flag goes before the environment, that before the file. '
            . '--print-config shows what comes out. Times are in milliseconds, sizes in bytes. Ctrl-C and SIGTERM let '
            . 'running requests end; another one ends at once. SIGHUP and `rawr reload` '
            . 'load the application anew without losing a request; `rawr status` shows what the server does.'
        );
        Options::declare($this);
        $this->addOption('print-config', null, InputOption::VALUE_NONE, 'print the settings instead of serving');
        $this->addOption(
            'leaks',
            null,
            InputOption::VALUE_OPTIONAL,
            'tell what grew after each so many requests [' . self::LEAKS_EVERY . ']',
            false,
        );
        $this->addOption('json', null, InputOption::VALUE_NONE, 'with --print-config: as JSON');
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $folder = $this->loader->folder($input->getOption('app'));
        $config = Options::config($input, $folder);
        $errors = $output instanceof ConsoleOutputInterface ? $output->getErrorOutput() : $output;
        $errors->writeln(Options::warnings(), OutputInterface::OUTPUT_RAW);
        $leaks = self::leaks($input->getOption('leaks'));
        $isPrinted = $input->getOption('print-config');
        if ($isPrinted) {
            $input->getOption('json') ? PrintConfig::asJson($config, $output) : PrintConfig::asTable($config, $output);
        } elseif ($input->getOption('json')) {
            throw InvalidConfig::at('--json', 'has a meaning only with --print-config');
        }
        $engine = Engine::getInstance();
        $unhonoured = Shape::of($engine)->unhonoured($config);
        $errors->writeln($unhonoured, OutputInterface::OUTPUT_RAW);
        if ($isPrinted) {
            return ExitCode::DONE;
        }
        return $this->serve($engine, $folder, $config->without(array_keys($unhonoured)), $leaks, $output);
    }

    private function serve(Engine $engine, string $folder, Config $config, ?int $leaks, OutputInterface $output): int
    {
        self::readCacheDsn($engine, $config);
        // Output that nobody takes any more is lost, and ends neither the boot nor a handler.
        ignore_user_abort(true);
        $host = $config->text('host');
        $host = str_contains($host, ':') ? "[$host]" : $host;
        if (Shape::of($engine) === Shape::Fleet) {
            $workers = $config->int('workers') === 1 ? '1 worker' : "{$config->int('workers')} workers";
            $serves = "Lyger serves $folder at http://$host:{port} (native engine, $workers)";
            $serves .= $config->text('resp.listen') === '' ? '' : ', and Redis clients at {redis}';
            $arguments = ["--app=$folder", "--settings={$config->forWorker()}"];
            $arguments = $leaks === null ? $arguments : [...$arguments, "--leaks=$leaks"];
            return (int) $engine->native()?->runFleet(
                Fleet::spec($config, $folder, $_SERVER['argv'][0], $arguments, $serves),
            );
        }
        Options::sendMessagesToLog($config);
        $engine->configure($config);
        $app = $this->loader->load($folder);
        $how = $engine->isNative() ? 'native engine' : "pure PHP: {$engine->fallbackReason()}";
        $listening = static function (int $port) use ($output, $folder, $how, $host, $engine): void {
            $redis = $engine->respAddress();
            $redis = $redis === null ? '' : ", and Redis clients at $redis";
            $output->writeln("Lyger serves $folder at http://$host:$port ($how)$redis", OutputInterface::OUTPUT_RAW);
        };
        $handler = $app->handle(...);
        $engine->serve($leaks === null ? $handler : Watch::over($handler, $leaks), $config, $listening);
        return ExitCode::DONE;
    }

    /** A mistake in it ends the start. It connects when it is used. */
    private static function readCacheDsn(Engine $engine, Config $config): void
    {
        $dsn = $config->text('cache.dsn');
        try {
            $dsn === '' || $engine->cache($dsn);
        } catch (InvalidDsn $mistake) {
            throw InvalidConfig::at('cache.dsn', $mistake->getMessage());
        }
    }

    /**
     * After how many requests each time to tell what grew; null for never.
     *
     * @param string|false|null $given false without the option, null without a value
     */
    private static function leaks(string|false|null $given): ?int
    {
        if ($given === false) {
            return null;
        }
        $every = preg_match('/^\d{1,10}$/D', $given ?? (string) self::LEAKS_EVERY) === 1
            ? (int) ($given ?? self::LEAKS_EVERY)
            : 0;
        return $every >= 1 && $every <= self::LEAKS_EVERY_MAX
            ? $every
            : throw InvalidConfig::at('--leaks', 'a number of requests from 1 to ' . self::LEAKS_EVERY_MAX);
    }
}
