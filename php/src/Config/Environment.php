<?php

declare(strict_types=1);

namespace Lyger\Config;

use Lyger\Config;
use Lyger\Exception\InvalidConfig;

/**
 * The settings of the environment: LYGER_QUEUE_MAX for queue_max, LYGER_DB_CONNECTIONS_MAX for db.connections_max.
 *
 * A variable that is set but empty counts as not set: this is how shells and env files say it.
 */
final class Environment
{
    private const PREFIX = 'LYGER_';
    /** Variables of the engine that are no settings: they are needed before there are any. */
    private const OTHERS = ['LYGER_LIBRARY', 'LYGER_ENGINE', 'LYGER_KERNELS', 'LYGER_LANES', 'LYGER_ZIG'];

    /** The environment's name for a key. */
    public static function variable(string $key): string
    {
        return self::PREFIX . strtoupper(strtr($key, '.', '_'));
    }

    /** @return array<string, Setting> by key */
    public static function settings(): array
    {
        $settings = [];
        foreach (array_keys(Config::KEYS) as $key) {
            $variable = self::variable($key);
            $value = getenv($variable);
            if ($value !== false && $value !== '') {
                $settings[$key] = Rule::of($key)->setting($value, Source::Environment, $variable);
            }
        }
        return $settings;
    }

    /**
     * The variables of this prefix that nobody here knows. One that is nearly a known one is a mistake, and an error;
     * another may be the application's own.
     *
     * @return list<string>
     */
    public static function strangers(): array
    {
        $known = array_merge(array_map(self::variable(...), array_keys(Config::KEYS)), self::OTHERS);
        $aliases = [];
        foreach (Config::ALIASES as $alias => $key) {
            $aliases[self::variable($alias)] = self::variable($key);
        }
        $names = array_map(static fn (string $name): string => substr($name, strlen(self::PREFIX)), $known);
        $strangers = [];
        foreach (array_keys(getenv()) as $variable) {
            $variable = (string) $variable;
            if (!str_starts_with($variable, self::PREFIX) || in_array($variable, $known, true)) {
                continue;
            }
            // Without the prefix, which would make everything alike.
            $nearest = Nearest::to(strtoupper(substr($variable, strlen(self::PREFIX))), $names);
            $meant = $aliases[$variable] ?? ($nearest === null ? null : self::PREFIX . $nearest);
            if ($meant !== null) {
                throw InvalidConfig::unknown($variable, $meant);
            }
            $strangers[] = $variable;
        }
        return $strangers;
    }
}
