<?php

declare(strict_types=1);

namespace Lyger\Tests\Abi;

use Lyger\Core\Library;
use Lyger\Exception\EngineMissing;
use Lyger\Tests\Abi\Misuse\Probe;
use PHPUnit\Framework\TestCase;

/**
 * Misuse of every exported function from PHP: a status or an exception each time, never a crash.
 *
 * Each function runs in a PHP process of its own (Misuse/run.php), so that a crash is a failed test and not the end of
 * all tests. The functions are read from the header: one without cases fails.
 */
final class MisuseTest extends TestCase
{
    /** A function's cases take milliseconds; one that hangs must not keep the others from being told. */
    private const SECONDS_MAX = 60;

    /** @return iterable<string, array{string}> */
    public static function functions(): iterable
    {
        foreach (Probe::declared() as $function) {
            yield $function => [$function];
        }
    }

    /** @dataProvider functions */
    public function test_misuse_is_a_status_or_an_exception(string $function): void
    {
        [$code, $signal, $output] = $this->inAnotherProcess($function);
        self::assertSame(0, $signal, "signal $signal ended the process\n$output");
        $report = json_decode((string) strrchr("\n" . rtrim($output), "\n"), true);
        self::assertIsArray($report, "the process ended with $code before its report\n$output");
        self::assertSame([], $report['failures'], $output);
        self::assertGreaterThan(0, $report['checks'], "$function has no cases in Misuse/cases");
        self::assertSame(0, $code, $output);
    }

    public function test_every_case_is_of_a_function_that_the_header_declares(): void
    {
        self::assertSame([], array_values(array_diff(array_keys(Probe::cases()), Probe::declared())));
    }

    public function test_a_crash_in_the_other_process_is_seen(): void
    {
        [, $signal] = $this->inAnotherProcess('--crash');
        self::assertSame(SIGSEGV, $signal);
    }

    /** @return array{int, int, string} exit code, signal, output */
    private function inAnotherProcess(string $argument): array
    {
        if (getenv('LYGER_ENGINE') === 'php' || !extension_loaded('ffi')) {
            self::markTestSkipped('runs in the half with the library');
        }
        try {
            $library = (new Library())->path();
        } catch (EngineMissing $missing) {
            if (getenv('LYGER_ENGINE') === 'required') {
                throw $missing;
            }
            self::markTestSkipped("runs once make build has made the library: {$missing->getMessage()}");
        }
        $foreign = static fn (string $name) => !str_starts_with($name, 'LYGER_');
        $environment = ['LYGER_LIBRARY' => $library] + array_filter(getenv(), $foreign, ARRAY_FILTER_USE_KEY);
        $command = [PHP_BINARY, '-d', 'ffi.enable=1', __DIR__ . '/Misuse/run.php', $argument];
        $output = tmpfile();
        $process = proc_open(
            $command,
            [['file', '/dev/null', 'r'], $output, $output],
            $pipes,
            null,
            $environment,
        );
        $until = microtime(true) + self::SECONDS_MAX;
        while (($status = proc_get_status($process))['running']) {
            if (microtime(true) > $until) {
                proc_terminate($process, SIGKILL);
            }
            usleep(2_000);
        }
        proc_close($process);
        rewind($output);
        $signal = $status['signaled'] ? $status['termsig'] : 0;
        return [$status['exitcode'], $signal, (string) stream_get_contents($output)];
    }
}
