<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\ServerProcess;

/** Starting, draining, ending. */
final class LifeTest extends ServerTestCase
{
    public function signals(): array
    {
        return ['SIGTERM' => [SIGTERM], 'SIGINT' => [SIGINT]];
    }

    /** @dataProvider signals */
    public function test_an_idle_server_ends_with_0_after_a_signal(int $signal): void
    {
        $server = $this->ownServer();
        $server->signal($signal);
        self::assertSame(0, $server->wait(), $server->errors());
    }

    /** @dataProvider signals */
    public function test_a_running_request_is_finished_before_the_end(int $signal): void
    {
        $server = $this->ownServer();
        $request = $server->hold($name = self::unique());
        $server->signal($signal);
        usleep(20_000);
        self::assertTrue($server->isRunning());
        $server->release($name);
        self::assertSame("held $name", $server->finish($request)->body);
        self::assertSame(0, $server->wait(), $server->errors());
    }

    public function test_a_second_ctrl_c_does_not_wait(): void
    {
        $server = $this->ownServer();
        $request = $server->hold(self::unique());
        $server->signal(SIGINT);
        // Two that are pending at once are one to the kernel.
        usleep(500_000);
        self::assertTrue($server->isRunning(), 'the first one waits');
        $server->signal(SIGINT);
        self::assertSame(130, $server->wait(), $server->errors());
        fclose($request);
    }

    public function test_a_drain_has_an_end(): void
    {
        $server = $this->ownServer(['--drain-timeout-ms=100']);
        $half = $server->send("GET /hello/x HTTP/1.1\r\nHo");
        usleep(100_000);
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait(), $server->errors());
        fclose($half);
    }

    public function test_a_handler_can_stop_the_server(): void
    {
        $server = $this->ownServer();
        self::assertSame('stopping', $server->ask('GET', '/stop')->body);
        self::assertSame(0, $server->wait(), $server->errors());
    }

    public function test_the_seeds_call_serves_a_router(): void
    {
        $server = $this->keep(ServerProcess::script([dirname(__DIR__) . '/apps/seed.php']));
        self::assertSame('{"path":"/anything","n":3}', $server->ask('GET', '/anything?n=3')->body);
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait(), $server->errors());
        self::assertStringContainsString('after the server', $server->output());
    }

    public function test_an_address_that_is_taken_is_exit_code_3(): void
    {
        $taken = stream_socket_server('tcp://127.0.0.1:0');
        $port = substr((string) strrchr((string) stream_socket_get_name($taken, false), ':'), 1);
        $rawr = dirname(__DIR__, 2) . '/bin/rawr';
        $app = dirname(__DIR__) . '/apps/trouble';
        exec(PHP_BINARY . " $rawr serve --app=$app --port=$port 2>&1", $output, $code);
        self::assertSame(3, $code, implode("\n", $output));
        self::assertStringContainsString($port, implode("\n", $output));
    }

    public function test_health_is_answered_while_php_is_busy(): void
    {
        if (!self::isNative()) {
            self::markTestSkipped('pure PHP does one thing at a time');
        }
        $server = $this->ownServer();
        $request = $server->hold($name = self::unique());
        self::assertSame(1, $server->ask('GET', '/health')->json()['workers']['busy']);
        $server->release($name);
        self::assertSame("held $name", $server->finish($request)->body);
    }
}
