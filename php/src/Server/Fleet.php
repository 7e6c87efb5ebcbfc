<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\ServerFailed;

/**
 * What a fleet's master is told: where to listen, how many workers, and how to start the processes.
 *
 *     master (rawr serve) --starts--> rawr fleet:front, rawr fleet:zygote --forks--> workers
 */
final class Fleet
{
    /** A millisecond of a worker's start, and that two of three workers draw the same is one in 20,000. */
    private const LCG_STEPS_MAX = 65_536;
    /** What PHP itself has where no php.ini says something else, and php-fpm with it. */
    private const MEMORY_LIMIT = '128M';

    /**
     * @param string $app the application's folder
     * @param string $script the rawr that serves
     * @param list<string> $arguments those of the zygote's command
     */
    public static function spec(
        Config $config,
        string $app,
        string $script,
        array $arguments,
        string $announcement,
    ): string {
        $php = self::php($script);
        foreach ([...$php, $script, ...$arguments] as $word) {
            preg_match('//u', $word) === 1 || throw InvalidConfig::at(
                (string) json_encode($word, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES),
                'not UTF-8, as the words must be that start the processes of a fleet: give the folder another name',
            );
        }
        try {
            $control = ControlSocket::path($app, $config->text('host'));
        } catch (ServerFailed $failed) {
            fwrite(STDERR, "rawr status and rawr reload won't find this server: {$failed->getMessage()}\n");
        }
        return json_encode([
            'app' => ControlSocket::absolute($app),
            'control' => $control ?? null,
            // As in the front, which takes the name too: not looked up, it has one address here.
            'host' => $config->text('host') === 'localhost' ? '127.0.0.1' : $config->text('host'),
            'port' => $config->int('port'),
            'workers' => $config->int('workers'),
            'watch' => $config->watch() === false ? null : [
                'folder' => ControlSocket::absolute($app),
                'poll' => $config->watch() === 'poll',
            ],
            'drain_timeout_ms' => $config->int('drain_timeout_ms'),
            'cache_bytes_max' => $config->int('cache.bytes_max'),
            'config' => $config->forServer(),
            'front' => [...$php, $script, 'fleet:front'],
            'zygote' => [
                $php[0],
                ...self::settings($php),
                ...array_slice($php, 1),
                $script,
                'fleet:zygote',
                ...$arguments,
            ],
            'announcement' => $announcement,
        ], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
    }

    /**
     * What servers have and PHP's command line hasn't, as words of a command that go before the user's own.
     *
     * @param list<string> $php
     * @return list<string>
     */
    private static function settings(array $php): array
    {
        // One opcode cache for the workers of a generation: they inherit it from the process that forks them.
        $settings = ['-d', 'opcache.enable_cli=1'];
        $lock = (string) (ini_get('opcache.lockfile_path') ?: '/tmp');
        if (!is_writable($lock)) {
            fwrite(STDERR, "The workers run without the opcache: $lock (opcache.lockfile_path) can't be written to\n");
            $settings = [];
        }
        // On the command line there is commonly no limit, and the system then kills whom it likes.
        if (ini_get('memory_limit') === '-1' && !str_contains(implode(' ', $php), 'memory_limit')) {
            array_push($settings, '-d', 'memory_limit=' . self::MEMORY_LIMIT);
        }
        return $settings;
    }

    /** Whether this system has what a fleet is made of: memory files, signal descriptors, orphans that find a parent. */
    public static function isPossible(): bool
    {
        return PHP_OS_FAMILY === 'Linux';
    }

    /**
     * PHP as this process was started: with its -d, -c and -n.
     *
     * @return list<string>
     */
    private static function php(string $script): array
    {
        $line = @file_get_contents('/proc/self/cmdline');
        if ($line === false) {
            return [PHP_BINARY];
        }
        $words = explode("\0", rtrim($line, "\0"));
        $at = array_search($script, $words, true);
        if ($at === false || $at === 0) {
            return [PHP_BINARY];
        }
        return [PHP_BINARY, ...array_slice($words, 1, $at - 1)];
    }

    /** In a process that was forked: what siblings must not share. */
    public static function beWorker(): void
    {
        // Forked processes would all draw the same numbers if something, a prepended file, has drawn one before.
        mt_srand();
        // PHP seeds this one once in a process; so each worker goes on from elsewhere in its sequence.
        for ($steps = random_int(1, self::LCG_STEPS_MAX); $steps > 0; $steps--) {
            // Which PHP 8.4 warns of.
            PHP_VERSION_ID < 80_400 ? lcg_value() : uniqid('', true);
        }
    }
}
