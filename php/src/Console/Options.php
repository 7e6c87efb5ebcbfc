<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config;
use Lyger\Config\Environment;
use Lyger\Config\File;
use Lyger\Config\Rule;
use Lyger\Exception\InvalidConfig;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;

/** The settings as options of a command, and the file and the environment behind them. */
final class Options
{
    public static function declare(Command $command): void
    {
        $command->addOption(
            'app',
            null,
            InputOption::VALUE_REQUIRED,
            'the folder of the application\'s bootstrap.php',
        );
        $command->addOption(
            'config',
            null,
            InputOption::VALUE_REQUIRED,
            'a file of settings instead of the application\'s ' . File::NAME,
        );
        foreach (array_keys(Config::KEYS) as $key) {
            $mode = match (true) {
                Rule::of($key)->isSwitch() => InputOption::VALUE_NEGATABLE,
                Rule::of($key)->isSwitchWithChoice() => InputOption::VALUE_OPTIONAL,
                default => InputOption::VALUE_REQUIRED,
            };
            $absent = $mode === InputOption::VALUE_OPTIONAL ? false : null;
            $command->addOption(self::flag($key), null, $mode, self::description($key), $absent);
        }
        foreach (Config::ALIASES as $alias => $key) {
            $description = 'the same as --' . self::flag($key);
            $command->addOption(self::flag($alias), null, InputOption::VALUE_REQUIRED, $description);
        }
    }

    /** @param string $folder the application's */
    public static function config(InputInterface $input, string $folder): Config
    {
        return Config::ofFlags(self::given($input), $input->getOption('config') ?? File::of($folder));
    }

    /** @return list<string> what should be said of the environment */
    public static function warnings(): array
    {
        return array_map(
            static fn (string $variable): string => "$variable is set, but is no setting of Lyger",
            Environment::strangers(),
        );
    }

    /** PHP's own messages would otherwise be part of the answers. */
    public static function sendMessagesToLog(Config $config): void
    {
        ini_set('display_errors', $config->bool('debug') ? 'stderr' : '0');
        ini_set('log_errors', $config->bool('debug') ? '0' : '1');
    }

    /** @return array<string, array{string, string|bool}> by key the flag and its value */
    private static function given(InputInterface $input): array
    {
        $names = array_combine(array_keys(Config::KEYS), array_keys(Config::KEYS)) + Config::ALIASES;
        $given = [];
        foreach ($names as $name => $key) {
            $flag = self::flag($name);
            $value = $input->getOption($flag);
            if (Rule::of($key)->isSwitchWithChoice()) {
                // Without a value it is null, and it is false when it is not there.
                $value = $value === false ? null : $value ?? true;
            }
            if ($value === null) {
                continue;
            }
            if (isset($given[$key])) {
                throw InvalidConfig::at("--$flag", "the same as {$given[$key][0]}, which is given too");
            }
            $given[$key] = [$value === false ? "--no-$flag" : "--$flag", $value];
        }
        return $given;
    }

    private static function flag(string $key): string
    {
        return strtr($key, '._', '--');
    }

    private static function description(string $key): string
    {
        $rule = Rule::of($key);
        return match ($key) {
            'debug' => 'show clients the details of errors',
            'watch' => 'load changed code by itself; poll looks for changes where the system tells of none',
            'port' => 'the port, 0 for any free one [8000]',
            'resp.listen' => 'where to serve Redis clients, such as 127.0.0.1:6380 [nowhere]',
            'resp.password' => 'what Redis clients log in with; LYGER_RESP_PASSWORD is the better place [none]',
            'resp.snapshot' => 'a file that the cache is loaded from and saved to [none]',
            'trusted_proxies' => 'addresses and networks, separated by commas, whose X-Forwarded-For is believed',
            default => "{$rule->wanted()} [{$rule->default()}]",
        };
    }
}
