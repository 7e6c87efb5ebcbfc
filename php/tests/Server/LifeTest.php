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

    /** @dataProvider signals */
    public function test_a_second_signal_does_not_wait(int $signal): void
    {
        $server = $this->ownServer();
        $request = $server->hold(self::unique());
        $server->signal($signal);
        usleep(300_000);
        self::assertTrue($server->isRunning(), 'the first one waits');
        // Two that are pending at once are one to the kernel.
        for ($i = 0; $i < 100 && $server->isRunning(); $i++) {
            $server->signal($signal);
            usleep(100_000);
        }
        self::assertSame(128 + $signal, $server->wait(), $server->errors());
        fclose($request);
    }

    /** @dataProvider signals */
    public function test_a_handler_that_outlives_the_drain_is_named_and_ends_with_the_process(int $signal): void
    {
        $server = $this->soloServer(['--drain-timeout-ms=300']);
        $request = $server->hold($name = self::unique());
        $server->signal($signal);
        self::assertSame(1, $server->wait(), $server->errors());
        self::assertMatchesRegularExpression(
            "~^lyger: GET /hold/$name still runs after \\d+ ms and the drain's time is over$~m",
            $server->errors(),
        );
        fclose($request);
    }

    public function test_a_handler_whose_client_has_gone_does_not_outlive_the_drain_either(): void
    {
        $server = $this->soloServer(['--drain-timeout-ms=300']);
        fclose($server->hold(self::unique()));
        $server->signal(SIGTERM);
        self::assertSame(1, $server->wait(), $server->errors());
    }

    public function test_a_handler_that_returns_within_the_drain_is_waited_for_although_its_client_has_gone(): void
    {
        $server = $this->ownServer();
        fclose($server->hold($name = self::unique()));
        $server->signal(SIGTERM);
        usleep(20_000);
        $server->release($name);
        self::assertSame(0, $server->wait(), $server->errors());
        self::assertStringNotContainsString('still runs', $server->errors());
    }

    public function test_a_drain_that_php_began_never_ends_the_process(): void
    {
        $server = $this->soloServer(['--drain-timeout-ms=1']);
        // The answer comes too late natively, which is what a drain's time is for.
        self::assertSame(self::isNative() ? 503 : 200, $server->ask('GET', '/stop/2500')->status);
        self::assertSame(0, $server->wait(), $server->errors());
        self::assertStringContainsString('returns after its stop', $server->errors());
    }

    public function test_one_process_says_so_where_several_workers_were_asked_for(): void
    {
        $server = $this->ownServer(['--workers=2']);
        self::assertSame(self::isNative() ? 2 : 1, $server->ask('GET', '/health')->json()['workers']['total']);
        $says = str_contains($server->errors(), 'workers is 2, but one process serves');
        self::assertSame(!self::isNative(), $says, $server->errors());
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
        $server = $this->soloServer();
        self::assertSame('stopping', $server->ask('GET', '/stop')->body);
        self::assertSame(0, $server->wait(), $server->errors());
    }

    public function test_a_handler_in_a_fleet_cannot_stop_it_and_is_told_who_can(): void
    {
        $this->needsFleet();
        $server = $this->ownServer(['--workers=1']);
        self::assertSame(500, $server->ask('GET', '/stop')->status);
        $server->awaitError('a SIGTERM to `rawr serve` does');
        self::assertSame('hello x', $server->ask('GET', '/hello/x')->body);
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait(), $server->errors());
    }

    public function test_a_closed_terminal_ends_the_server_and_lets_running_requests_end(): void
    {
        $this->needsFleet();
        if (!is_executable('/usr/bin/script')) {
            self::markTestSkipped('runs where script(1) makes a terminal: every Debian has it, in bsdutils');
        }
        $rawr = dirname(__DIR__, 2) . '/bin/rawr';
        $app = dirname(__DIR__) . '/apps/trouble';
        $errors = tempnam(sys_get_temp_dir(), 'lyger-terminal-');
        // exec, so that the server leads the terminal's session, as a shell would that is closed with it.
        $line = 'exec ' . PHP_BINARY . " $rawr serve --app=$app --port=0 --workers=1 2>$errors";
        $server = $this->keep(ServerProcess::command(['/usr/bin/script', '-qfc', $line, '/dev/null']));
        $name = self::unique();
        $request = $server->begin('GET', "/hold/$name");
        for ($i = 0; !str_contains((string) file_get_contents($errors), "holds $name"); $i++) {
            self::assertLessThan(4_000, $i, (string) file_get_contents($errors));
            usleep(5_000);
        }
        // The terminal goes with the process that has made it.
        $server->signal(SIGKILL);
        $server->wait();
        for ($i = 0; @stream_socket_client("tcp://127.0.0.1:{$server->port()}") !== false; $i++) {
            self::assertLessThan(4_000, $i, 'it goes on listening');
            usleep(5_000);
        }
        $server->release($name);
        self::assertSame("held $name", $server->finish($request)->body);
        self::assertStringNotContainsString('generation 2', (string) file_get_contents($errors));
        unlink($errors);
    }

    public function test_the_seeds_call_serves_a_router(): void
    {
        $server = $this->keep(ServerProcess::script([dirname(__DIR__) . '/apps/seed.php']));
        self::assertSame('{"path":"/anything","n":3}', $server->ask('GET', '/anything?n=3')->body);
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait(), $server->errors());
        self::assertStringContainsString('after the server', $server->output());
    }

    public function test_without_descriptors_the_server_waits_says_so_and_goes_on(): void
    {
        $rawr = dirname(__DIR__, 2) . '/bin/rawr';
        $app = dirname(__DIR__) . '/apps/trouble';
        $command = 'ulimit -n 64 && exec "$0" "$@"';
        $server = $this->keep(ServerProcess::command(
            ['/bin/sh', '-c', $command, PHP_BINARY, $rawr, 'serve', "--app=$app", '--port=0'],
        ));
        $silent = [];
        for ($i = 0; $i < 100; $i++) {
            $silent[] = $server->send('');
        }
        $server->awaitError('who connects waits until there is room');
        // Time for many attempts, of which hardly any is told.
        usleep(600_000);
        self::assertLessThanOrEqual(2, substr_count($server->errors(), 'who connects waits'), $server->errors());
        $waiting = $server->begin('GET', '/hello/x');
        array_map(fclose(...), $silent);
        self::assertSame('hello x', $server->finish($waiting)->body);
        self::assertSame('hello y', $server->ask('GET', '/hello/y')->body);
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
            self::markTestSkipped('runs in the half with the library: pure PHP does one thing at a time');
        }
        $server = $this->ownServer();
        $request = $server->hold($name = self::unique());
        self::assertSame(1, $server->ask('GET', '/health')->json()['workers']['busy']);
        $server->release($name);
        self::assertSame("held $name", $server->finish($request)->body);
    }
}
