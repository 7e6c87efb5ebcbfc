<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use PHPUnit\Framework\TestCase;

/** LYGER_ENGINE, each in a process of its own. */
final class ModesTest extends TestCase
{
    /** @return array{int, string, string} exit code, output, errors */
    private function inProcess(array $environment, string $code, array $flags = []): array
    {
        $autoload = var_export(dirname(__DIR__, 2) . '/autoload.php', true);
        $script = "require $autoload; use Lyger\\Core\\Engine; $code";
        $flags = [...$flags, '-d', 'display_errors=0', '-d', 'log_errors=1', '-d', 'error_log='];
        $streams = [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']];
        $process = proc_open([PHP_BINARY, ...$flags, '-r', $script], $streams, $pipes, null, $environment + getenv());
        $output = stream_get_contents($pipes[1]);
        $errors = stream_get_contents($pipes[2]);
        return [proc_close($process), $output, $errors];
    }

    public function test_auto_falls_back_logs_it_once_and_shows_it(): void
    {
        $environment = ['LYGER_ENGINE' => 'auto', 'LYGER_LIBRARY' => '/no/such.so'];
        $code = 'Engine::getInstance(); echo Engine::getInstance()->systemInfo();';
        [$exit, $output, $errors] = $this->inProcess($environment, $code);
        self::assertSame(0, $exit, $errors);
        self::assertSame(
            1,
            substr_count($errors, 'Lyger runs in pure PHP, slower, because LYGER_LIBRARY names /no/such.so'),
        );
        $info = json_decode($output, true);
        self::assertSame('php', $info['engine']);
        self::assertStringContainsString('/no/such.so', $info['fallback']);
    }

    public function test_required_makes_an_exception_of_the_fallback(): void
    {
        $environment = ['LYGER_ENGINE' => 'required', 'LYGER_LIBRARY' => '/no/such.so'];
        $code = 'try { Engine::getInstance(); } catch (Lyger\Exception\EngineMissing $e) { echo $e->getMessage(); }';
        [, $output] = $this->inProcess($environment, $code);
        self::assertStringContainsString('required', $output);
        self::assertStringContainsString('/no/such.so', $output);
    }

    public function test_php_is_a_choice_and_no_reason_to_complain(): void
    {
        [, $output, $errors] = $this->inProcess(['LYGER_ENGINE' => 'php'], 'echo Engine::getInstance()->name();');
        self::assertSame(['php', ''], [$output, $errors]);
    }

    public function test_anything_else_is_a_mistake(): void
    {
        $code = 'try { Engine::getInstance(); } catch (Lyger\Exception\InvalidConfig $e) { echo $e->getMessage(); }';
        [, $output] = $this->inProcess(['LYGER_ENGINE' => 'fast'], $code);
        self::assertSame('LYGER_ENGINE is "fast", but must be auto, required or php', $output);
    }

    public function test_without_ext_ffi_everything_works(): void
    {
        // -n leaves out every ini file, and with them the extensions that Debian loads by them.
        $code = '$engine = Engine::getInstance(); echo $engine->dbQueryJson("sqlite::memory:", "SELECT 1 AS a"), '
            . '$engine->fallbackReason();';
        $flags = ['-n', '-d', 'extension=pdo', '-d', 'extension=pdo_sqlite'];
        [$exit, $output, $errors] = $this->inProcess(['LYGER_ENGINE' => 'auto'], $code, $flags);
        self::assertSame([0, '[{"a":1}]ext-ffi is not loaded'], [$exit, $output], $errors);
    }
}
