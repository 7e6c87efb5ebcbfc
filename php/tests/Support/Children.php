<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use Lyger\Core\Library;
use RuntimeException;

/** Other PHP processes, each with an engine of its own, that run some code and print what it returns. */
final class Children
{
    private const SECONDS_MAX = 60;

    /**
     * Runs them at once.
     *
     * @param list<string> $codes PHP, with $argv
     * @return list<string> what each printed
     */
    public static function run(array $codes): array
    {
        $processes = [];
        foreach ($codes as $code) {
            $processes[] = self::begin($code);
        }
        return array_map(self::end(...), $processes);
    }

    /** @return array{resource, resource} */
    public static function begin(string $code): array
    {
        $setup = 'require ' . var_export(dirname(__DIR__, 2) . '/autoload.php', true) . ";\n";
        $command = [PHP_BINARY, '-d', 'ffi.enable=1', '-r', $setup . $code];
        $environment = getenv();
        if (getenv('LYGER_ENGINE') !== 'php') {
            $environment['LYGER_LIBRARY'] = (new Library())->path();
        }
        $process = proc_open($command, [1 => ['pipe', 'w'], 2 => STDERR], $pipes, null, $environment);
        return is_resource($process) ? [$process, $pipes[1]] : throw new RuntimeException('no process');
    }

    /** @param array{resource, resource} $child */
    public static function end(array $child): string
    {
        [$process, $output] = $child;
        stream_set_timeout($output, self::SECONDS_MAX);
        $text = (string) stream_get_contents($output);
        proc_close($process);
        return $text;
    }
}
