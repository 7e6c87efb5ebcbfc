<?php

declare(strict_types=1);

namespace Lyger\Tests\Console;

use Lyger\Config;
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
        // A server that should have been refused would never end.
        $command = ['timeout', '60', PHP_BINARY, $rawr ?? self::ROOT . '/bin/rawr', ...$arguments];
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
            [['serve', '--port=x'], [], '--port: port is "x", but must be an integer from 0 to 65535'],
            [['serve', '--port=65536'], [], 'port'],
            [['serve', '--port=-1'], [], 'port is "-1"'],
            [['serve', '--host=nohost'], [], 'host is "nohost", but must be an IP address or localhost'],
            [['serve', '--host='], [], 'host is ""'],
            [['serve'], ['LYGER_HOST' => "\xff"], 'LYGER_HOST: host is "'],
            [['serve', "--trusted-proxies=\xff"], [], 'trusted_proxies'],
            [['serve', '--head-bytes-max=1'], [], 'head_bytes_max is "1", but must be an integer from 8192'],
            [['serve', '--cache-dsn=redi://x'], [], "cache.dsn: the cache's DSN is wrong: its scheme is none of"],
            [['serve', '--cache-dsn=redis://h/?nearly=1'], [], 'there is no option `nearly`; there are prefix'],
            [['serve', '--workers=0'], [], 'workers is "0", but must be an integer from 1 to 1024'],
            [['serve', '--trusted-proxies=here'], [], 'trusted_proxies'],
            [['serve', '--db-result-bytes-max=0'], [], 'db.result_bytes_max'],
            [['serve'], ['LYGER_QUEUE_MAX' => 'many'], 'LYGER_QUEUE_MAX: queue_max is "many"'],
            [['serve'], ['LYGER_DEBUG' => 'perhaps'], 'LYGER_DEBUG: debug is "perhaps", but must be true or false'],
            [['serve', '--port=0'], ['LYGER_QUEUE_MAXX' => '1'], 'LYGER_QUEUE_MAXX: did you mean LYGER_QUEUE_MAX?'],
            [['serve', '--queue-maxx=1'], [], 'Did you mean --queue-max?'],
            [['serve', '--queue_max=1'], [], 'Did you mean --queue-max?'],
            [['serve', '--max-request=1'], [], 'Did you mean --max-requests?'],
            [['serve', '--max-requests=-1'], [], '--max-requests: requests_per_worker_max is "-1"'],
            [['serve', '--max-requests=1', '--requests-per-worker-max=1'], [], '--max-requests: the same as'],
            [['serve', '--front=nginx'], [], '--front: front is "nginx", but must be axum or uring'],
            [['serve', '--config=/no/such.toml'], [], '/no/such.toml: cannot be read: No such file or directory'],
            [['serve', '--config='], [], '--config: names no file'],
            [['serve', '--json'], [], '--json: has a meaning only with --print-config'],
            [['routes', '--jsn'], [], 'The "--jsn" option does not exist. Did you mean --json?'],
        ];
    }

    public function test_the_settings_are_printed_with_where_they_come_from(): void
    {
        $app = $this->app('');
        file_put_contents("$app/lyger.toml", "# the shop's\nqueue_max = 3\nbody_bytes_max = 3\nport = 3\n");
        $arguments = ['serve', '--print-config', "--app=$app", '--max-requests=1', '--queue-max=1', '--no-debug'];
        $environment = ['LYGER_QUEUE_MAX' => '2', 'LYGER_BODY_BYTES_MAX' => '2', 'LYGER_DEBUG' => '1'];
        [$code, $output] = $this->rawr($arguments, $environment + ['LYGER_MINE' => '1']);
        self::assertSame(0, $code);
        $rows = array_map(static fn (string $line): array => preg_split('/ +/', $line), explode("\n", trim($output)));
        self::assertSame(array_keys(Config::KEYS), array_column($rows, 0));
        $rows = array_column($rows, null, 0);
        self::assertSame(['queue_max', '1', '--queue-max'], $rows['queue_max']);
        self::assertSame(['requests_per_worker_max', '1', '--max-requests'], $rows['requests_per_worker_max']);
        self::assertSame(['debug', 'false', '--no-debug'], $rows['debug']);
        self::assertSame(['body_bytes_max', '2', 'LYGER_BODY_BYTES_MAX'], $rows['body_bytes_max']);
        self::assertSame(['port', '3', "$app/lyger.toml:4:8"], $rows['port']);
        self::assertSame(['drain_timeout_ms', '30000', 'default'], $rows['drain_timeout_ms']);
        self::assertSame(['trusted_proxies', '(none)', 'default'], $rows['trusted_proxies']);

        // Another file takes the place of the application's, and is found from where one stands.
        $file = (string) tempnam(sys_get_temp_dir(), 'lyger-toml-');
        file_put_contents($file, "trusted_proxies = ['::1']\n");
        $config = '--config=' . basename($file);
        [, $output] = $this->rawr(['serve', '--print-config', '--json', "--app=$app", $config]);
        unlink($file);
        $settings = json_decode($output, true, 512, JSON_THROW_ON_ERROR);
        self::assertSame(array_keys(Config::KEYS), array_keys($settings));
        self::assertSame(['value' => 8000, 'source' => 'default', 'place' => ''], $settings['port']);
        $place = basename($file) . ':1:19';
        self::assertSame(['value' => ['::1'], 'source' => 'file', 'place' => $place], $settings['trusted_proxies']);
    }

    public function test_what_is_said_beside_the_settings_is_no_part_of_them(): void
    {
        $arguments = ['serve', '--print-config', '--json', '--workers=2', '--queue-max=3'];
        [$code, $output, $errors] = $this->rawr($arguments, ['LYGER_MINE' => '1']);
        self::assertSame([0, 2], [$code, json_decode($output, true)['workers']['value'] ?? null]);
        self::assertStringContainsString('LYGER_MINE is set, but is no setting of Lyger', $errors);
        $isFleet = Engine::getInstance()->isNative() && PHP_OS_FAMILY === 'Linux';
        self::assertSame(!$isFleet, str_contains($errors, '--workers: workers is 2, but one process serves'));
        $isPhp = !Engine::getInstance()->isNative();
        self::assertSame($isPhp, str_contains($errors, '--queue-max: queue_max is 3, but pure PHP has no queue'));
    }

    public function test_a_folder_that_a_fleet_cannot_be_told_of_is_named(): void
    {
        if (!Engine::getInstance()->isNative() || PHP_OS_FAMILY !== 'Linux') {
            self::markTestSkipped('runs in the half with the library, on Linux: pure PHP starts no processes');
        }
        $app = $this->app('') . "/\xff";
        mkdir($app);
        file_put_contents("$app/bootstrap.php", '<?php');
        [$code, $output, $errors] = $this->rawr(['serve', "--app=$app", '--port=0']);
        self::assertSame([2, ''], [$code, $output]);
        self::assertStringContainsString('\ufffd": not UTF-8', $errors);
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
            self::markTestSkipped('runs where PHP has ext-ffi, as by `make setup`');
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
            self::markTestSkipped('runs in the half with the library');
        }
        [$code, $output] = $this->rawr(['doctor', '--preload']);
        self::assertSame(0, $code);
        self::assertMatchesRegularExpression('~^#define FFI_SCOPE "LYGER"\n#define FFI_LIB "/.+"\n~', $output);
        self::assertStringContainsString('lyger_abi_version', $output);
    }
}
