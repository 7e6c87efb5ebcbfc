<?php

declare(strict_types=1);

namespace Lyger\Console;

use Lyger\Config;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Input\InputOption;

/** The settings as options of a command. */
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
        foreach (Config::KEYS as $key => $default) {
            $mode = is_bool($default) ? InputOption::VALUE_NONE : InputOption::VALUE_REQUIRED;
            $command->addOption(self::flag($key), null, $mode, self::description($key, $default));
        }
    }

    public static function config(InputInterface $input): Config
    {
        return Config::resolve(self::values($input));
    }

    /** @return list<string> the settings that were given, as arguments for another command that has them */
    public static function given(InputInterface $input): array
    {
        $arguments = [];
        foreach (self::values($input) as $key => $value) {
            $arguments[] = '--' . self::flag($key) . (is_bool($value) ? '' : "=$value");
        }
        return $arguments;
    }

    /** PHP's own messages would otherwise be part of the answers. */
    public static function sendMessagesToLog(Config $config): void
    {
        ini_set('display_errors', $config->bool('debug') ? 'stderr' : '0');
        ini_set('log_errors', $config->bool('debug') ? '0' : '1');
    }

    /** @return array<string, mixed> by key */
    private static function values(InputInterface $input): array
    {
        $given = [];
        foreach (array_keys(Config::KEYS) as $key) {
            $value = $input->hasOption(self::flag($key)) ? $input->getOption(self::flag($key)) : null;
            if ($value !== null && $value !== false) {
                $given[$key] = $value;
            }
        }
        return $given;
    }

    private static function flag(string $key): string
    {
        return strtr($key, '._', '--');
    }

    private static function description(string $key, mixed $default): string
    {
        return match (true) {
            $key === 'debug' => 'show clients the details of errors',
            $key === 'port' => 'the port, 0 for any free one [8000]',
            $default === [] => 'addresses and networks, separated by commas, whose X-Forwarded-For is believed',
            is_array($default) => "$default[1] to $default[2] [$default[0]]",
            default => "[$default]",
        };
    }
}
