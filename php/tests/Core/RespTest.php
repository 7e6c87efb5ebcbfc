<?php

declare(strict_types=1);

namespace Lyger\Tests\Core;

use Lyger\Core\Engine;
use Lyger\Exception\AddressInUse;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\ServerFailed;
use Lyger\Tests\Support\ServerProcess;
use PHPUnit\Framework\TestCase;
use RuntimeException;

/** The server for Redis clients in a PHP process. */
final class RespTest extends TestCase
{
    private Engine $engine;

    protected function setUp(): void
    {
        $this->engine = Engine::getInstance();
    }

    protected function tearDown(): void
    {
        putenv('LYGER_RESP_PASSWORD');
        if ($this->engine->respAddress() !== null) {
            $this->engine->stopResp();
        }
        $this->engine->cacheClear();
    }

    private function needsLibrary(): void
    {
        if (!$this->engine->isNative()) {
            self::markTestSkipped('runs in the half with the library');
        }
    }

    /** @return string the first reply's first line */
    private static function ask(int $port, string ...$lines): string
    {
        $client = stream_socket_client("tcp://127.0.0.1:$port");
        stream_set_timeout($client, 10);
        fwrite($client, implode("\r\n", $lines) . "\r\nQUIT\r\n");
        return (string) stream_get_contents($client);
    }

    public function test_redis_clients_have_the_cache_of_this_process(): void
    {
        $this->needsLibrary();
        self::assertNull($this->engine->respAddress());
        $this->engine->cacheSet('color', "blue\0");
        $port = $this->engine->startResp(['listen' => '127.0.0.1:0', 'threads' => 1]);
        self::assertSame("127.0.0.1:$port", $this->engine->respAddress());
        self::assertSame("$5\r\nblue\0\r\n+OK\r\n+OK\r\n", self::ask($port, 'GET color', 'SET shape round'));
        self::assertSame('round', $this->engine->cacheGet('shape'));
        // What others use is not let go of.
        $this->engine->release();
        self::assertSame('round', $this->engine->cacheGet('shape'));
        $this->engine->stopResp();
        self::assertSame('round', $this->engine->cacheGet('shape'));
        $this->engine->release();
        self::assertNull($this->engine->cacheFind('shape'));
    }

    public function test_a_password_of_the_environment_holds_and_what_is_wrong_is_told(): void
    {
        $this->needsLibrary();
        putenv('LYGER_RESP_PASSWORD=se:cret');
        $port = $this->engine->startResp(['listen' => '127.0.0.1:0']);
        self::assertStringStartsWith('-NOAUTH', self::ask($port, 'GET k'));
        self::assertSame("+OK\r\n$-1\r\n+OK\r\n", self::ask($port, 'AUTH se:cret', 'GET k'));
        foreach (
            [
                [InvalidConfig::class, ['listen' => 'localhost']],
                [InvalidConfig::class, ['thread' => 1]],
                [ServerFailed::class, ['listen' => '127.0.0.1:0']],
            ] as [$class, $settings]
        ) {
            try {
                $this->engine->startResp($settings);
                self::fail($class);
            } catch (InvalidConfig | ServerFailed $exception) {
                self::assertInstanceOf($class, $exception);
                self::assertStringNotContainsString('se:cret', $exception->getMessage());
            }
        }
        $this->engine->stopResp();
        $taken = stream_socket_server('tcp://127.0.0.1:0');
        $this->expectException(AddressInUse::class);
        $this->engine->startResp(['listen' => (string) stream_socket_get_name($taken, false)]);
    }

    public function test_what_was_saved_is_there_again(): void
    {
        $this->needsLibrary();
        $file = (string) tempnam(sys_get_temp_dir(), 'lyger-cache-');
        unlink($file);
        $settings = ['listen' => '127.0.0.1:0', 'snapshot' => $file];
        try {
            $this->engine->startResp($settings);
            $this->engine->cacheSet('color', 'blue');
            $this->engine->cacheSet('shape', 'round');
            $this->engine->stopResp();
            $this->engine->cacheDelete('shape');
            $this->engine->startResp($settings);
            self::assertSame('', $this->engine->cacheGet('shape'), 'what was deleted since is back');
            $this->engine->stopResp();
            $this->engine->release();
            $this->engine->startResp($settings);
            self::assertSame(['blue', ''], [$this->engine->cacheGet('color'), $this->engine->cacheGet('shape')]);
            $this->engine->stopResp();
            $this->engine->release();
            file_put_contents($file, substr((string) file_get_contents($file), 0, -1));
            $this->expectException(ServerFailed::class);
            $this->expectExceptionMessage('is damaged and nothing of it was loaded');
            $this->engine->startResp($settings);
        } finally {
            unlink($file);
        }
    }

    public function test_a_server_of_one_process_serves_them_until_its_end(): void
    {
        $this->needsLibrary();
        $file = (string) tempnam(sys_get_temp_dir(), 'lyger-cache-');
        unlink($file);
        $taken = stream_socket_server('tcp://127.0.0.1:0');
        $address = (string) stream_socket_get_name($taken, false);
        fclose($taken);
        $server = ServerProcess::solo(["--resp-listen=$address", "--resp-snapshot=$file"]);
        try {
            $port = (int) substr((string) strrchr($address, ':'), 1);
            self::assertSame("+OK\r\n+OK\r\n", self::ask($port, 'SET color blue'));
            $health = json_decode($server->ask('GET', '/health')->body, true);
            self::assertSame([$address, 'ok'], [$health['resp']['listen'], $health['status']]);
            $server->signal(SIGTERM);
            self::assertSame(0, $server->wait(), $server->errors());
            self::assertStringStartsWith('LYGERSNP', (string) file_get_contents($file));
            self::assertFalse(@stream_socket_client("tcp://$address"));
        } finally {
            $server->stop();
            @unlink($file);
        }
    }

    public function test_the_configuration_of_the_engine_holds_for_its_servers(): void
    {
        $this->needsLibrary();
        $file = (string) tempnam(sys_get_temp_dir(), 'lyger-toml-');
        file_put_contents($file, "[resp]\nlisten = '127.0.0.1:0'\npassword = 's3cret'");
        $autoload = var_export(dirname(__DIR__, 2) . '/autoload.php', true);
        $script = <<<'PHP'
            $engine = Lyger\Core\Engine::getInstance();
            $engine->configure(Lyger\Config::resolve(file: $argv[1]));
            $free = stream_socket_server('tcp://127.0.0.1:0');
            $port = (int) substr(strrchr(stream_socket_get_name($free, false), ':'), 1);
            fclose($free);
            echo "http://127.0.0.1:$port\n";
            $engine->startServer(fn () => (string) $engine->respAddress(), $port);
            echo $engine->startResp(['listen' => '127.0.0.1:0']), "\n";
            sleep(60);
            PHP;
        $server = ServerProcess::command([PHP_BINARY, '-r', "require $autoload;\n$script", $file]);
        try {
            $port = (int) substr((string) strrchr($server->ask('GET', '/')->body, ':'), 1);
            self::assertStringStartsWith('-NOAUTH', self::ask($port, 'GET k'));
            self::assertSame("+OK\r\n$-1\r\n+OK\r\n", self::ask($port, 'AUTH s3cret', 'GET k'));
            $server->signal(SIGTERM);
            for ($ends = microtime(true) + 20; preg_match('/\n(\d+)\n/', $server->output(), $match) !== 1;) {
                self::assertLessThan($ends, microtime(true), $server->errors());
                usleep(5000);
            }
            self::assertStringStartsWith('-NOAUTH', self::ask((int) $match[1], 'GET k'));
        } finally {
            $server->stop();
            unlink($file);
        }
    }

    public function test_where_nothing_can_be_saved_nothing_starts(): void
    {
        $this->needsLibrary();
        $path = sys_get_temp_dir() . '/lyger-none/keys';
        try {
            $this->engine->startResp(['listen' => '127.0.0.1:0', 'snapshot' => $path]);
            self::fail('it has started');
        } catch (ServerFailed $exception) {
            self::assertStringContainsString("opening a file beside $path", $exception->getMessage());
        }
        self::assertNull($this->engine->respAddress());
        foreach (['rawr', 'solo'] as $shape) {
            $flags = ['--resp-listen=127.0.0.1:0', "--resp-snapshot=$path"];
            try {
                ServerProcess::$shape($flags)->stop();
                self::fail("$shape has started");
            } catch (RuntimeException $exception) {
                self::assertStringContainsString("opening a file beside $path", $exception->getMessage());
            }
        }
    }

    public function test_without_the_library_it_says_that_there_is_none(): void
    {
        if ($this->engine->isNative()) {
            self::markTestSkipped('runs in the half without the library');
        }
        self::assertNull($this->engine->respAddress());
        try {
            $this->engine->stopResp();
            self::fail('no exception');
        } catch (ServerFailed) {
        }
        $this->expectException(ServerFailed::class);
        $this->expectExceptionMessage('pure PHP has no server for Redis clients');
        $this->engine->startResp();
    }
}
