<?php

declare(strict_types=1);

namespace Lyger\Tests\Config;

use Closure;
use FFI;
use Lyger\Config;
use Lyger\Config\Environment;
use Lyger\Config\Source;
use Lyger\Console\PrintConfig;
use Lyger\Core\Engine;
use Lyger\Core\Library;
use Lyger\Core\Native\Abi;
use Lyger\Exception\InvalidConfig;
use Lyger\Server\Shape;
use PHPUnit\Framework\TestCase;
use Symfony\Component\Console\Output\BufferedOutput;
use stdClass;

final class ConfigTest extends TestCase
{
    /** @var array<string, string> what the tests found */
    private static array $environment = [];
    /** @var list<string> */
    private static array $files = [];

    protected function tearDown(): void
    {
        foreach (array_keys(getenv()) as $variable) {
            if (str_starts_with((string) $variable, 'LYGER_') && !isset(self::$environment[$variable])) {
                putenv((string) $variable);
            }
        }
        array_map(unlink(...), self::$files);
        self::$files = [];
    }

    public static function setUpBeforeClass(): void
    {
        self::$environment = getenv();
    }

    private static function file(string $text): string
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'lyger-toml-');
        file_put_contents($file, $text);
        return self::$files[] = $file;
    }

    private static function refusal(Closure $attempt): string
    {
        try {
            $attempt();
        } catch (InvalidConfig $exception) {
            return $exception->getMessage();
        }
        self::fail('no exception');
    }

    public function test_a_value_of_any_other_kind_is_named_and_never_an_error_of_php(): void
    {
        $scalars = [null, true, false, -1, PHP_INT_MAX, 1.5, NAN, '', 'x', "\xff"];
        $values = [...$scalars, [], [[]], [null], [new stdClass()], new stdClass()];
        foreach (Config::KEYS as $key => $default) {
            foreach ($values as $value) {
                try {
                    $config = Config::resolve([$key => $value]);
                    json_decode($config->forServer(), true, 512, JSON_THROW_ON_ERROR);
                    json_decode($config->forEngine(), true, 512, JSON_THROW_ON_ERROR);
                    self::assertFalse(is_object($value), $key);
                } catch (InvalidConfig $exception) {
                    self::assertStringStartsWith("$key is ", $exception->getMessage());
                }
            }
        }
    }

    public function test_the_host_is_an_address_or_localhost(): void
    {
        foreach (['127.0.0.1', '0.0.0.0', '::1', '::', 'localhost'] as $host) {
            self::assertSame($host, Config::resolve(['host' => $host])->text('host'));
        }
        foreach (['', 'example.org', '127.0.0.1:80', '[::1]', '256.1.1.1', "127.0.0.1\n", 'LOCALHOST'] as $host) {
            try {
                Config::resolve(['host' => $host]);
                self::fail($host);
            } catch (InvalidConfig $exception) {
                self::assertSame($host, $exception->value());
            }
        }
    }

    public function test_where_redis_clients_come_is_an_address_with_a_port_or_nowhere(): void
    {
        foreach (['', '127.0.0.1:6380', '0.0.0.0:0', '[::1]:6380', 'localhost:65535'] as $address) {
            self::assertSame($address, Config::resolve(['resp.listen' => $address])->text('resp.listen'));
        }
        $wrong = ['6380', ':6380', '127.0.0.1', '::1:6380', 'example.org:1', '1.1.1.1:65536', "1.1.1.1:1\n"];
        foreach ($wrong as $address) {
            self::assertStringContainsString(
                'but must be an IP address or localhost with a port such as 127.0.0.1:6380',
                self::refusal(static fn () => Config::resolve(['resp.listen' => $address])),
            );
        }
    }

    public function test_a_password_is_shown_to_nobody(): void
    {
        $config = Config::resolve(['resp.password' => 'se cret', 'resp.listen' => '[::]:1', 'queue_max' => 2]);
        $output = new BufferedOutput();
        PrintConfig::asTable($config, $output);
        PrintConfig::asJson($config, $output);
        $shown = $output->fetch();
        self::assertStringNotContainsString('se cret', $shown);
        self::assertSame(2, substr_count($shown, '(not shown)'));
        self::assertSame('{"queue_max":2}', $config->forWorker(), 'anybody sees the command line of a worker');
        self::assertStringContainsString('se cret', $config->forServer());
        foreach ([$config, ...array_values($config->settings())] as $object) {
            ob_start();
            var_dump($object);
            $shown = ob_get_clean() . var_export($object, true) . json_encode($object) . print_r((array) $object, true);
            self::assertStringNotContainsString('se cret', $shown);
        }
        self::assertSame('se cret', $config->text('resp.password'));
        $refusal = self::refusal(static fn () => Config::resolve(['resp.password' => str_repeat('se cret', 1_000)]));
        self::assertStringNotContainsString('se cret', $refusal);
    }

    public function test_there_are_as_many_workers_as_cores_unless_somebody_asks(): void
    {
        if (PHP_OS_FAMILY !== 'Linux') {
            self::markTestSkipped('runs in the half with the library, on Linux: elsewhere one process serves');
        }
        $config = Config::resolve();
        self::assertSame((int) shell_exec('nproc'), $config->int('workers'));
        self::assertFalse($config->isAsked('workers'));
        $config = Config::resolve(['workers' => '3']);
        self::assertSame([3, true], [$config->int('workers'), $config->isAsked('workers')]);
        $config = $config->without(['workers']);
        self::assertSame([(int) shell_exec('nproc'), false], [$config->int('workers'), $config->isAsked('workers')]);
    }

    public function test_flags_go_before_the_environment_before_the_file_before_the_defaults(): void
    {
        $file = self::file("queue_max = 1\nport = 1\nhost = '::1'\n[db]\nconnections_max = 3\n");
        putenv('LYGER_QUEUE_MAX=2');
        putenv('LYGER_PORT=2');
        putenv('LYGER_HOST='); // not set
        $settings = Config::ofFlags(['queue_max' => ['--queue-max', '3']], $file)->settings();
        self::assertSame(array_keys(Config::KEYS), array_keys($settings));
        $seen = static fn (string $key): array => array_values((array) $settings[$key]);
        self::assertSame([3, Source::Flag, '--queue-max'], $seen('queue_max'));
        self::assertSame([2, Source::Environment, 'LYGER_PORT'], $seen('port'));
        self::assertSame(['::1', Source::File, "$file:3:8"], $seen('host'));
        self::assertSame([3, Source::File, "$file:5:19"], $seen('db.connections_max'));
        self::assertSame([10_000, Source::Default, ''], $seen('queue_timeout_ms'));
        self::assertSame(4, Config::resolve(['queue_max' => 4], $file)->int('queue_max'));
        self::assertSame(2, Config::resolve([], $file)->int('queue_max'));
    }

    public function test_a_worker_has_the_configuration_that_it_was_handed(): void
    {
        $file = self::file("trusted_proxies = ['10.0.0.0/8', '::1']\ndebug = true\nqueue_max = 5");
        $config = Config::resolve([], $file);
        putenv('LYGER_QUEUE_MAX=6');
        $handed = Config::resolve(json_decode($config->forWorker(), true));
        foreach ($config->settings() as $key => $setting) {
            self::assertSame($setting->value, $handed->settings()[$key]->value, $key);
        }
        self::assertSame([5, true], [$handed->int('queue_max'), $handed->bool('debug')]);
        self::assertSame('{}', $config->without(array_keys(Config::KEYS))->forWorker());
    }

    public function test_a_wrong_line_of_the_file_is_named_even_where_a_flag_goes_before_it(): void
    {
        $wrong = [
            "\n queue_maxx = 1" => ':2:2: there is no setting queue_maxx: did you mean queue_max?',
            "queue-max = 1" => ':1:1: there is no setting queue-max: did you mean queue_max?',
            "max_requests = 1" => ':1:1: there is no setting max_requests: did you mean requests_per_worker_max?',
            "statement_timeout_ms = 1" => 'did you mean db.statement_timeout_ms?',
            "[bd]\nconnections_max = 1" => ':1:2: there is no section [bd], only [db] and [cache]',
            "[db]\nconections_max = 1" => ':2:1: there is no setting db.conections_max: did you mean db.connections_',
            "admin.listen = 'x'" => ':1:1: there is no setting admin.listen',
            "queue_max = 0" => ':1:13: queue_max is "0", but must be an integer from 1 to 1000000',
            "queue_max = '5'" => ':1:13: queue_max is "5", but must be an integer',
            "queue_max = true" => ':1:13: queue_max is "true", but must be an integer',
            "debug = 'true'" => ':1:9: debug is "true", but must be true or false',
            "debug = 1" => ':1:9: debug is "1", but must be true or false',
            "host = 'example.org'" => ':1:8: host is "example.org", but must be an IP address or localhost',
            "trusted_proxies = '10.0.0.1'" => ':1:19: trusted_proxies is "10.0.0.1", but must be a list of',
            "trusted_proxies = ['10.0.0.1', 'x']" => ':1:19: trusted_proxies is "10.0.0.1,x", but must be a list of',
            "trusted_proxies = ['::ffff:10.0.0.1/95']" => ':1:19: trusted_proxies is',
            "front = 'nginx'" => ':1:9: front is "nginx", but must be axum or uring',
            "queue_max 5" => ':1:11: a key is followed by =',
        ];
        foreach ($wrong as $text => $message) {
            $file = self::file($text);
            $refusal = self::refusal(static fn () => Config::resolve(['queue_max' => 5, 'debug' => true], $file));
            self::assertStringStartsWith("$file:", $refusal);
            self::assertStringContainsString($message, $refusal);
        }
        $refusal = self::refusal(static fn () => Config::resolve([], self::file(str_repeat("#\n", 40_000))));
        self::assertStringEndsWith('has more than 65536 bytes', $refusal);
        $missing = self::refusal(static fn () => Config::resolve([], '/no/such.toml'));
        self::assertSame('/no/such.toml: cannot be read: No such file or directory', $missing);
        self::assertStringEndsWith('it is a folder', self::refusal(static fn () => Config::resolve([], '/')));
    }

    public function test_a_wrong_key_or_value_of_code_and_environment_is_named(): void
    {
        $unknown = self::refusal(static fn () => Config::resolve(['prot' => 1, 'queue_maxi' => 2]));
        self::assertSame('there is no setting prot', $unknown);
        putenv('LYGER_CACHE_BYTES_MAX=much');
        self::assertSame(
            'LYGER_CACHE_BYTES_MAX: cache.bytes_max is "much", but must be an integer from 1 to 1099511627776',
            self::refusal(static fn () => Config::resolve(['cache.bytes_max' => 1])),
        );
    }

    public function test_a_variable_that_is_nearly_a_setting_is_an_error_and_another_is_a_stranger(): void
    {
        $strangers = Environment::strangers();
        $foreign = ['LYGER_BLESS', 'LYGER_CHAOS_SECONDS', 'LYGER_TEST_MYSQL', 'LYGER_BENCH_ROWS', 'LYGER_FPM_URL'];
        $own = ['LYGER_LIBRARY', 'LYGER_ENGINE', 'LYGER_KERNELS', 'LYGER_LANES', 'LYGER_ZIG'];
        foreach ([...$foreign, ...$own] as $variable) {
            getenv($variable) === false && putenv("$variable=x");
        }
        self::assertEqualsCanonicalizing(array_unique([...$strangers, ...$foreign]), Environment::strangers());
        $meant = [
            'LYGER_QUEUE_MAXX' => 'LYGER_QUEUE_MAX',
            'LYGER_DB_CONECTIONS_MAX' => 'LYGER_DB_CONNECTIONS_MAX',
            'LYGER_queue_max' => 'LYGER_QUEUE_MAX',
            'LYGER_LIBARY' => 'LYGER_LIBRARY',
            'LYGER_KERNEL' => 'LYGER_KERNELS',
            'LYGER_MAX_REQUESTS' => 'LYGER_REQUESTS_PER_WORKER_MAX',
        ];
        foreach ($meant as $variable => $right) {
            putenv("$variable=1");
            $refusal = self::refusal(static fn () => Environment::strangers());
            self::assertSame("there is no setting $variable: did you mean $right?", $refusal);
            putenv($variable);
        }
    }

    public function test_the_shapes_say_which_settings_they_cannot_honour(): void
    {
        $config = Config::resolve([
            'workers' => 2,
            'requests_per_worker_max' => 5,
            'memory_per_worker_bytes_max' => 0,
            'queue_max' => 3,
            'body_bytes_max' => 1,
        ]);
        self::assertSame([], Shape::Fleet->unhonoured($config));
        self::assertSame(['workers', 'requests_per_worker_max'], array_keys(Shape::Solo->unhonoured($config)));
        $told = Shape::Php->unhonoured($config);
        self::assertSame(['workers', 'requests_per_worker_max', 'queue_max'], array_keys($told));
        self::assertStringStartsWith('workers is 2, but one process serves', $told['workers']);
        self::assertSame([], Shape::Php->unhonoured($config->without(array_keys($told))));
        self::assertSame([], Shape::Php->unhonoured(Config::resolve()));
        $file = self::file('queue_max = 7');
        $told = Shape::Php->unhonoured(Config::resolve([], $file))['queue_max'];
        self::assertStringStartsWith("$file:1:13: queue_max is 7, but pure PHP has no queue", $told);
        $redis = ['resp.password' => 's3cret', 'resp.snapshot' => '/var/lib/x'];
        $told = Shape::Fleet->unhonoured(Config::resolve($redis));
        self::assertSame([
            'resp.password' => 'resp.password is set, but without resp.listen no Redis clients are served',
            'resp.snapshot' => 'resp.snapshot is /var/lib/x, but without resp.listen no Redis clients are served',
        ], $told);
        $listens = Config::resolve($redis + ['resp.listen' => '127.0.0.1:0']);
        self::assertSame([], Shape::Fleet->unhonoured($listens));
        $sessions = ['session.ttl_s' => 60, 'session.lock' => false];
        self::assertSame([
            'session.ttl_s' => 'session.ttl_s is 60, but without session.store = cache sessions are php.ini\'s',
            'session.lock' => 'session.lock is false, but without session.store = cache sessions are php.ini\'s',
        ], Shape::Php->unhonoured(Config::resolve($sessions)));
        self::assertSame([], Shape::Php->unhonoured(Config::resolve($sessions + ['session.store' => 'cache'])));
    }

    public function test_a_path_of_a_file_begins_at_the_files_folder_and_any_other_where_the_program_was_started(): void
    {
        $folder = (string) realpath(sys_get_temp_dir());
        $snapshot = static fn (string $written): string => Config::resolve(
            [],
            self::file("[resp]\nsnapshot = '$written'"),
        )->text('resp.snapshot');
        self::assertSame("$folder/state/keys", $snapshot('state/keys'));
        self::assertSame('/var/lib/keys', $snapshot('/var/lib/keys'));
        self::assertSame('', $snapshot(''));
        self::assertSame('keys', Config::resolve(['resp.snapshot' => 'keys'])->text('resp.snapshot'));
        $file = self::file("[resp]\nsnapshot = 'keys'");
        $here = getcwd();
        chdir($folder);
        try {
            $config = Config::resolve([], basename($file));
        } finally {
            chdir((string) $here);
        }
        self::assertSame("$folder/keys", $config->text('resp.snapshot'));
        $this->expectException(InvalidConfig::class);
        Config::resolve([], self::file("[resp]\nsnapshot = 7"));
    }

    public function test_the_page_explains_every_setting_with_its_default_and_its_reason(): void
    {
        $page = (string) file_get_contents(__DIR__ . '/../../../README.md');
        preg_match_all('/^\| `([a-z_.]+)` \| ([^|]+) \| (.{10,}) \|$/m', $page, $rows);
        $documented = array_combine($rows[1], $rows[2]);
        $wanted = [];
        foreach (Config::resolve()->without(array_keys(Config::KEYS))->settings() as $key => $setting) {
            $wanted[$key] = $key === 'workers' ? 'cores' : ($setting->text() === '' ? '(none)' : $setting->text());
        }
        self::assertSame($wanted, array_intersect_key($documented, $wanted));
        self::assertSame([], array_diff_key($documented, $wanted));
    }

    public function test_the_caches_dsn_is_printed_without_its_password(): void
    {
        $config = Config::resolve(['cache.dsn' => 'redis://ada:s3cret@cache.example:6379/1']);
        self::assertSame('redis://ada:s3cret@cache.example:6379/1', $config->text('cache.dsn'));
        foreach (['asTable', 'asJson'] as $form) {
            $output = new BufferedOutput();
            PrintConfig::$form($config, $output);
            $text = $output->fetch();
            self::assertStringContainsString('redis://ada:***@cache.example:6379/1', $text);
            self::assertStringNotContainsString('s3cret', $text);
        }
        foreach (['s3:cr/e@t', ':s3cret'] as $password) {
            $config = Config::resolve(['cache.dsn' => "redis://ada:$password@cache.example"]);
            self::assertSame("redis://ada:$password@cache.example", $config->text('cache.dsn'));
            self::assertSame('redis://ada:***@cache.example', $config->settings()['cache.dsn']->withoutSecret()->value);
            self::assertStringNotContainsString('s3', var_export($config, true));
        }
        $config = Config::resolve(['cache.dsn' => 'redis://cache.example:1/1']);
        self::assertSame('redis://cache.example:1/1', $config->settings()['cache.dsn']->text());
        $refusal = self::refusal(static fn () => Config::resolve(['cache.dsn' => 'cache.example:s3cret@']));
        self::assertStringNotContainsString('s3cret', $refusal);
        self::assertStringContainsString('a DSN such as redis://', $refusal);
        self::assertStringNotContainsString('cache.dsn', $config->forServer() . $config->forEngine());
    }

    public function test_the_engine_takes_the_same_range_of_every_number(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library');
        }
        $abi = new Abi((new Library())->load());
        $port = FFI::addr($abi->ffi->new('uint16_t'));
        foreach (json_decode(Config::resolve()->forServer(), true) as $key => $value) {
            if (!is_int($value)) {
                continue;
            }
            $json = json_encode([$key => -1]);
            $refusal = $abi->failure($abi->ffi->lyger_server_start($json, strlen($json), $port));
            [, $min, $max] = Config::KEYS[$key];
            $wanted = "configuration key `$key`: -1 is not an integer from $min to $max";
            self::assertSame($wanted, $refusal->getMessage());
        }
    }

    public function test_the_file_of_a_new_application_shows_the_defaults(): void
    {
        $file = __DIR__ . '/../../skeleton/lyger.toml';
        self::assertEquals(Config::resolve(), Config::resolve([], $file));
        $text = preg_replace('/^# (?=\w+ = )/m', '', (string) file_get_contents($file), -1, $count);
        $shown = Config::resolve([], self::file($text));
        self::assertEquals(Config::resolve(), $shown->without(array_keys(Config::KEYS)));
        foreach ($shown->settings() as $key => $setting) {
            self::assertSame(Config::resolve()->settings()[$key]->value, $setting->value, $key);
        }
        $asked = array_filter(array_keys(Config::KEYS), $shown->isAsked(...));
        self::assertCount($count, $asked);
        self::assertContains('db.connections_max', $asked);
    }
}
