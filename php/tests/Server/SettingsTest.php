<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\ServerProcess;

/** Which setting holds, seen in answers. */
final class SettingsTest extends ServerTestCase
{
    private string $file;

    protected function setUp(): void
    {
        $this->file = (string) tempnam(sys_get_temp_dir(), 'lyger-toml-');
        file_put_contents($this->file, "body_bytes_max = 10\nuri_bytes_max = 40\n");
    }

    protected function tearDown(): void
    {
        parent::tearDown();
        unlink($this->file);
    }

    /**
     * @param list<string> $flags
     * @param array<string, string> $environment
     */
    private function serves(array $flags, array $environment, int $bodyBytesMax): ServerProcess
    {
        $server = $this->ownServer(["--config={$this->file}", ...$flags], $environment);
        self::assertSame(200, $server->ask('POST', '/inspect', [], str_repeat('x', $bodyBytesMax))->status);
        self::assertSame(413, $server->ask('POST', '/inspect', [], str_repeat('x', $bodyBytesMax + 1))->status);
        // What only the file says holds in every case.
        self::assertSame(414, $server->ask('GET', '/hello/' . str_repeat('x', 40))->status);
        return $server;
    }

    public function test_the_file_goes_before_the_default(): void
    {
        $this->serves([], [], 10);
    }

    public function test_the_environment_goes_before_the_file(): void
    {
        $this->serves([], ['LYGER_BODY_BYTES_MAX' => '20'], 20);
    }

    public function test_a_flag_goes_before_both(): void
    {
        $this->serves(['--body-bytes-max=30'], ['LYGER_BODY_BYTES_MAX' => '20'], 30);
    }

    public function test_localhost_is_an_address_to_serve_at(): void
    {
        $server = $this->ownServer(['--host=localhost']);
        self::assertSame('hello x', $server->ask('GET', '/hello/x')->body);
        self::assertStringContainsString('at http://localhost:', $server->output());
    }

    public function test_the_file_reaches_the_workers(): void
    {
        file_put_contents($this->file, "debug = true\n");
        $server = $this->ownServer(["--config={$this->file}"]);
        self::assertStringContainsString('a secret', $server->ask('GET', '/throw')->body);
        $server = $this->ownServer(["--config={$this->file}", '--no-debug']);
        self::assertStringNotContainsString('a secret', $server->ask('GET', '/throw')->body);
    }

    public function test_a_reload_keeps_the_settings_that_the_server_began_with(): void
    {
        $this->needsFleet();
        $app = "{$this->file}.app";
        mkdir($app);
        $route = "get('/', fn () => [getmypid(), ini_get('display_errors')])";
        file_put_contents("$app/bootstrap.php", "<?php
            \$app = Lyger\\Application::create(__DIR__);
            \$app->router()->$route;
            return \$app;");
        file_put_contents("$app/lyger.toml", "debug = true\nworkers = 1\n");
        $rawr = dirname(__DIR__, 2) . '/bin/rawr';
        try {
            $server = $this->keep(ServerProcess::script([$rawr, 'serve', "--app=$app", '--port=0']));
            [$old, $display] = $server->ask('GET', '/')->json();
            self::assertSame('stderr', $display);
            file_put_contents("$app/lyger.toml", 'nonsense');
            $server->signal(SIGHUP);
            $ends = microtime(true) + 30;
            do {
                usleep(10_000);
                [$new, $display] = $server->ask('GET', '/')->json();
            } while ($new === $old && microtime(true) < $ends);
            self::assertNotSame($old, $new, $server->errors());
            self::assertSame('stderr', $display);
        } finally {
            array_map(unlink(...), glob("$app/*"));
            rmdir($app);
        }
    }
}
