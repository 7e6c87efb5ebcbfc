<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Core\Engine;
use Lyger\Tests\Support\ServerProcess;

/** LYGER_KERNELS, read by a process that is started with it: what it names is what runs, wherever that is told. */
final class KernelsTest extends ServerTestCase
{
    private const WORDS = [
        'rust', 'rust-v2', 'rust-v3', 'rust-v4', 'rust-neon', 'zig', 'zig-v2', 'zig-v3', 'zig-v4', 'zig-neon',
    ];

    /** What of a level Linux tells of a CPU, each with those above it. */
    private const FLAGS = [
        'v2' => ['cx16', 'popcnt', 'pni', 'ssse3', 'sse4_1', 'sse4_2'],
        'v3' => ['avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe'],
        'v4' => ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
    ];

    private const INFO = 'require $argv[1]; echo Lyger\Core\Engine::getInstance()->systemInfo();';

    protected function setUp(): void
    {
        if (!self::isNative()) {
            self::markTestSkipped('runs in the half with the library: PHP has no variants');
        }
        if (!is_readable('/proc/cpuinfo')) {
            self::markTestSkipped('runs on Linux, where /proc/cpuinfo tells what the CPU has');
        }
    }

    /** @return list<string> the levels of this machine's CPU, the best last */
    private static function levels(): array
    {
        preg_match('/^(?:flags|Features)\s*:(.*)$/m', (string) file_get_contents('/proc/cpuinfo'), $line);
        $flags = explode(' ', $line[1] ?? '');
        if (php_uname('m') === 'aarch64') {
            return in_array('asimd', $flags, true) ? ['neon'] : [];
        }
        $levels = [];
        foreach (self::FLAGS as $level => $needed) {
            if (array_diff($needed, $flags) !== []) {
                break;
            }
            $levels[] = $level;
        }
        return $levels;
    }

    /** @return list<string> the languages of this build, the preferred one last */
    private static function languages(): array
    {
        $info = json_decode(Engine::getInstance()->systemInfo(), true);
        return str_starts_with($info['kernels'], 'zig') ? ['rust', 'zig'] : ['rust'];
    }

    /** @return list<string> words that have to work here */
    private static function possible(): array
    {
        $words = self::languages();
        foreach (self::languages() as $language) {
            foreach (self::levels() as $level) {
                $words[] = "$language-$level";
            }
        }
        return $words;
    }

    /** @return array{int, string} exit code, and output with errors */
    private static function php(string $kernels, string ...$arguments): array
    {
        $environment = ['LYGER_KERNELS' => $kernels, 'LYGER_ENGINE' => 'auto'] + getenv();
        $command = ['timeout', '60', PHP_BINARY, ...$arguments];
        $process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['redirect', 1]], $pipes, null, $environment);
        $output = (string) stream_get_contents($pipes[1]);
        return [proc_close($process), $output];
    }

    /** @return array{int, string} */
    private static function rawr(string $kernels, string ...$arguments): array
    {
        return self::php($kernels, dirname(__DIR__, 2) . '/bin/rawr', ...$arguments);
    }

    private static function inSystemInfo(string $kernels): string
    {
        [$code, $output] = self::php($kernels, '-r', self::INFO, '--', dirname(__DIR__) . '/bootstrap.php');
        self::assertSame(0, $code, $output);
        return json_decode($output, true, 512, JSON_THROW_ON_ERROR)['kernels'];
    }

    public function test_each_variant_that_the_cpu_can_run_is_what_runs_when_it_is_named(): void
    {
        self::assertSame([], array_diff(self::possible(), self::WORDS));
        foreach (self::possible() as $word) {
            self::assertSame($word, self::inSystemInfo($word));
            [$code, $output] = self::rawr($word, 'doctor', '--json');
            $checks = array_column(json_decode($output, true, 512, JSON_THROW_ON_ERROR)['checks'], null, 'name');
            self::assertSame([0, $word], [$code, $checks['kernels']['value']]);
            $server = ServerProcess::rawr(['--workers=1'], ['LYGER_KERNELS' => $word]);
            $health = $server->ask('GET', '/health')->json();
            $server->stop();
            self::assertSame($word, $health['kernels']);
        }
    }

    public function test_without_a_word_the_best_of_the_cpu_runs(): void
    {
        $best = implode('-', [...array_slice(self::languages(), -1), ...array_slice(self::levels(), -1)]);
        self::assertSame($best, self::inSystemInfo('auto'));
        self::assertSame($best, self::inSystemInfo(''));
        $health = $this->ownServer(['--workers=1'], ['LYGER_KERNELS' => 'auto'])->ask('GET', '/health')->json();
        self::assertSame($best, $health['kernels']);
    }

    public function test_a_variant_that_cannot_run_here_is_refused_with_the_reason(): void
    {
        $impossible = array_values(array_diff(self::WORDS, self::possible()));
        self::assertNotSame([], $impossible, 'no CPU has NEON and AVX');
        foreach ([...$impossible, 'RUST', 'rust-v5'] as $word) {
            [$language, $level] = [...explode('-', $word), ''];
            $isOfThisMachine = ($level === 'neon') === (php_uname('m') === 'aarch64');
            $reason = match (true) {
                !in_array($word, self::WORDS, true) => "LYGER_KERNELS: `$word` is none of auto, rust, rust-v2",
                $isOfThisMachine && in_array($language, self::languages(), true)
                    => "LYGER_KERNELS: `$word` needs a CPU of level " . ($level === 'neon' ? 'NEON' : "x86-64-$level"),
                default => "LYGER_KERNELS: `$word` isn't part of this build (it has ",
            };
            foreach ([['doctor'], ['serve', '--port=0']] as $arguments) {
                [$code, $output] = self::rawr($word, ...$arguments);
                self::assertSame(2, $code, $output);
                self::assertStringContainsString($reason, $output);
            }
            [$code, $output] = self::php($word, '-r', self::INFO, '--', dirname(__DIR__) . '/bootstrap.php');
            self::assertNotSame(0, $code);
            self::assertStringContainsString($reason, $output, 'no engine falls back silently');
        }
    }
}
