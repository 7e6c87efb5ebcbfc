<?php

declare(strict_types=1);

namespace Lyger\Tests\Console;

use Lyger\Core\Engine;
use PHPUnit\Framework\TestCase;

final class RawrTest extends TestCase
{
    private const ROOT = __DIR__ . '/../..';

    /**
     * @param array<string, string> $environment
     * @return array{int, string, string} exit code, output, errors
     */
    private function rawr(array $arguments, array $environment = [], ?string $rawr = null): array
    {
        $command = [PHP_BINARY, $rawr ?? self::ROOT . '/bin/rawr', ...$arguments];
        $streams = [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']];
        $process = proc_open($command, $streams, $pipes, sys_get_temp_dir(), $environment + getenv());
        $output = stream_get_contents($pipes[1]);
        $errors = stream_get_contents($pipes[2]);
        return [proc_close($process), $output, $errors];
    }

    private function app(string $bootstrap): string
    {
        $folder = sys_get_temp_dir() . '/lyger-app-' . bin2hex(random_bytes(6));
        mkdir($folder);
        file_put_contents("$folder/bootstrap.php", "<?php\n$bootstrap");
        register_shutdown_function(static fn () => exec('rm -rf ' . escapeshellarg($folder)));
        return $folder;
    }

    public function test_help_names_the_commands(): void
    {
        foreach ([[], ['help'], ['list']] as $arguments) {
            [$code, $output] = $this->rawr($arguments);
            self::assertSame(0, $code);
        }
        foreach (['serve', 'doctor', 'routes', 'help'] as $command) {
            self::assertMatchesRegularExpression("/^  $command /m", $output);
        }
        [$code, $output] = $this->rawr(['serve', '--help']);
        self::assertSame(0, $code);
        foreach (['--port', '--host', '--body-bytes-max', '--db-connections-max', 'LYGER_QUEUE_MAX'] as $word) {
            self::assertStringContainsString($word, $output);
        }
    }

    /** @dataProvider wrongUsage */
    public function test_wrong_usage_is_exit_code_2(array $arguments, array $environment, string $message): void
    {
        [$code, $output, $errors] = $this->rawr($arguments, $environment);
        self::assertSame([2, ''], [$code, $output]);
        self::assertStringContainsString($message, $errors);
    }

    public function wrongUsage(): array
    {
        return [
            [['fly'], [], '"fly" is not defined'],
            [['serve', '--nope'], [], '--nope'],
            [['serve', '--port=x'], [], 'port is "x", but must be an integer from 0 to 65535'],
            [['serve', '--port=65536'], [], 'port'],
            [['serve', '--port=-1'], [], 'port is "-1"'],
            [['serve', '--host=nohost'], [], 'host is "nohost", but must be an IP address or localhost'],
            [['serve', '--host='], [], 'host is ""'],
            [['serve'], ['LYGER_HOST' => "\xff"], 'LYGER_HOST is "'],
            [['serve', "--trusted-proxies=\xff"], [], 'trusted_proxies'],
            [['serve', '--head-bytes-max=1'], [], 'head_bytes_max is "1", but must be an integer from 8192'],
            [['serve', '--workers=0'], [], 'workers is "0", but must be an integer from 1 to 1024'],
            [['serve', '--trusted-proxies=here'], [], 'trusted_proxies'],
            [['serve', '--db-result-bytes-max=0'], [], 'db.result_bytes_max'],
            [['serve'], ['LYGER_QUEUE_MAX' => 'many'], 'LYGER_QUEUE_MAX is "many"'],
            [['serve'], ['LYGER_DEBUG' => 'perhaps'], 'LYGER_DEBUG'],
        ];
    }

    public function test_an_application_that_does_not_boot_is_exit_code_4(): void
    {
        $broken = [
            'throw new Exception("no database");' => 'no database',
            'syntax error' => 'syntax error',
            'return 5;' => 'must return a Lyger\\Application',
            'exit(0);' => '',
            'class A {} class A {}' => '',
            'return Lyger\\Application::create(__DIR__)->routes("/no/such/file.php");' => '/no/such/file.php',
            '$a = Lyger\\Application::create("/"); $a->router()->get("/", ["NoClass", "x"]); return $a;' => 'NoClass',
        ];
        foreach ($broken as $bootstrap => $message) {
            [$code, , $errors] = $this->rawr(['serve', '--port=0', '--app=' . $this->app($bootstrap)]);
            self::assertSame(4, $code, $bootstrap . $errors);
            self::assertStringContainsString($message, $errors);
        }
        [$code, , $errors] = $this->rawr(['routes', '--app=/no/such/folder']);
        self::assertSame(4, $code);
        self::assertStringContainsString('--app=DIR', $errors);
    }

    public function test_routes_are_listed_for_people_and_as_json(): void
    {
        [$code, $output] = $this->rawr(['routes']);
        self::assertSame(0, $code);
        self::assertMatchesRegularExpression('~GET +/products/\{id\} +product +Shop.ProductController::show~', $output);
        [$code, $output] = $this->rawr(['routes', '--json'], [], self::ROOT . '/skeleton/rawr');
        self::assertSame(0, $code);
        $routes = json_decode($output, true, 512, JSON_THROW_ON_ERROR);
        self::assertContains([
            'methods' => ['GET'],
            'path' => '/products',
            'name' => 'products',
            'handler' => 'Shop\\ProductController::index',
            'middleware' => [],
        ], $routes);
    }

    public function test_doctor_tells_what_is_there(): void
    {
        [$code, $output] = $this->rawr(['doctor', '--json']);
        $report = json_decode($output, true, 512, JSON_THROW_ON_ERROR);
        $checks = array_column($report['checks'], null, 'name');
        $engine = ['library', 'engine', 'abi', 'kernels', 'cpu'];
        $names = ['php', 'ffi', 'opcache', ...$engine, 'sqlite', 'postgres', 'mysql', 'pcntl'];
        self::assertSame([0, $names], [$code, array_keys($checks)]);
        self::assertSame(Engine::getInstance()->isNative(), $checks['engine']['ok']);
        [, $text] = $this->rawr(['doctor']);
        self::assertStringContainsString($checks['engine']['value'], $text);
    }

    public function test_doctor_tells_what_is_missing_and_what_to_do(): void
    {
        $environment = ['LYGER_LIBRARY' => '/no/such.so', 'LYGER_ENGINE' => 'auto'];
        [$code, $output] = $this->rawr(['doctor'], $environment);
        self::assertSame(0, $code);
        self::assertStringContainsString('/no/such.so', $output);
        self::assertStringContainsString('make build', $output);
        [$code] = $this->rawr(['doctor'], ['LYGER_ENGINE' => 'required'] + $environment);
        self::assertSame(1, $code);
    }

    public function test_doctor_ends_as_serve_would_where_the_environment_asks_for_what_cannot_be(): void
    {
        $impossible = [['LYGER_ENGINE' => 'fast']];
        if (Engine::getInstance()->isNative()) {
            $impossible[] = ['LYGER_KERNELS' => 'abacus', 'LYGER_ENGINE' => 'auto'];
        }
        foreach ($impossible as $environment) {
            [$served] = $this->rawr(['serve', '--port=0'], $environment);
            [$code, $output] = $this->rawr(['doctor'], $environment);
            self::assertSame([2, 2], [$served, $code], $output);
            self::assertStringContainsString((string) current($environment), $output);
            self::assertStringNotContainsString('falls back', $output);
        }
    }

    public function test_doctor_hints_only_at_what_is_not_fine(): void
    {
        [, $output] = $this->rawr(['doctor', '--json'], ['LYGER_ENGINE' => 'php']);
        foreach (json_decode($output, true, 512, JSON_THROW_ON_ERROR)['checks'] as $check) {
            self::assertSame(!$check['ok'], isset($check['hint']), $check['name']);
        }
    }

    public function test_doctor_tells_the_versions_of_a_library_that_does_not_match(): void
    {
        if (!extension_loaded('ffi')) {
            self::markTestSkipped('needs ext-ffi');
        }
        $folder = sys_get_temp_dir() . '/lyger-abi-' . bin2hex(random_bytes(6));
        mkdir($folder);
        file_put_contents("$folder/lyger.c", 'unsigned lyger_abi_version(void) { return 7; }');
        exec("cc -shared -fPIC -o $folder/liblyger.so $folder/lyger.c 2>&1", $output, $code);
        self::assertSame(0, $code, implode("\n", $output));
        $environment = ['LYGER_LIBRARY' => "$folder/liblyger.so", 'LYGER_ENGINE' => 'auto'];
        [, $output] = $this->rawr(['doctor', '--json'], $environment);
        [$required] = $this->rawr(['doctor'], ['LYGER_ENGINE' => 'required'] + $environment);
        exec("rm -rf $folder");
        $abi = array_column(json_decode($output, true, 512, JSON_THROW_ON_ERROR)['checks'], null, 'name')['abi'];
        self::assertSame([false, 'the library speaks 7, this package 1'], [$abi['ok'], $abi['value']]);
        self::assertSame(1, $required);
    }

    public function test_the_preload_file_carries_scope_library_and_declarations(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('needs the library');
        }
        [$code, $output] = $this->rawr(['doctor', '--preload']);
        self::assertSame(0, $code);
        self::assertMatchesRegularExpression('~^#define FFI_SCOPE "LYGER"\n#define FFI_LIB "/.+"\n~', $output);
        self::assertStringContainsString('lyger_abi_version', $output);
    }
}
