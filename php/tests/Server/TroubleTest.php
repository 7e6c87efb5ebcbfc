<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\Answer;
use Lyger\Tests\Support\ServerProcess;

/** Handlers that echo, throw, exit and die. */
final class TroubleTest extends ServerTestCase
{
    public function test_what_a_handler_echoes_is_its_answer(): void
    {
        $answer = $this->server()->ask('GET', '/echo');
        self::assertSame([202, 'echoed twice'], [$answer->status, $answer->body]);
        self::assertSame('text/html; charset=utf-8', $answer->header('content-type'));
        $answer = $this->server()->ask('GET', '/mixed');
        self::assertSame([201, 'first, second'], [$answer->status, $answer->body]);
        self::assertSame('[200]', $this->server()->ask('GET', '/status')->body, 'the status starts anew');
    }

    public function test_an_exception_is_a_500_without_details_and_the_worker_lives_on(): void
    {
        $answer = $this->server()->ask('GET', '/throw');
        self::assertSame(
            [500, '{"error":{"status":500,"message":"The server failed."}}'],
            [$answer->status, $answer->body],
        );
        self::assertSame('hello x', $this->server()->ask('GET', '/hello/x')->body);
        self::assertStringContainsString('a secret', $this->server()->errors(), 'the log has it');
        self::assertSame(500, $this->server()->ask('GET', '/type')->status);
        self::assertSame(500, $this->server()->ask('GET', '/badheader')->status);
        $answer = $this->server()->ask('GET', '/refuse');
        self::assertSame([409, '{"error":{"status":409,"message":"taken"}}'], [$answer->status, $answer->body]);
    }

    public function test_a_failure_is_one_line_of_the_log_whatever_is_in_its_message(): void
    {
        $server = $this->ownServer();
        self::assertSame(500, $server->ask('GET', '/throw/lines')->status);
        $server->signal(SIGTERM);
        $server->wait();
        // The tests' own variables are none of Lyger's, which rawr serve says at its start.
        $others = '/^$|is set, but is no setting of Lyger$/';
        $lines = preg_grep($others, explode("\n", $server->errors()), PREG_GREP_INVERT);
        self::assertCount(1, $lines, $server->errors());
        self::assertStringContainsString('GET /throw/lines: RuntimeException: one\r\ntwo\000\033[2Jthree', end($lines));
    }

    public function test_debug_shows_the_exception_to_the_client(): void
    {
        $error = $this->ownServer(['--debug'])->ask('GET', '/throw')->json()['error'];
        self::assertSame(
            [500, 'a secret', 'RuntimeException'],
            [$error['status'], $error['message'], $error['exception']],
        );
        self::assertStringContainsString('routes.php', $error['file']);
    }

    public function test_warnings_go_to_the_log_and_not_to_the_client(): void
    {
        self::assertSame('warned', $this->server()->ask('GET', '/warn')->body);
        self::assertStringContainsString('careful', $this->server()->errors());
    }

    public function test_after_exit_what_was_written_goes_out_with_its_status_and_the_worker_lives_on(): void
    {
        $server = $this->ownServer();
        for ($code = 1; $code <= 30; $code++) {
            $answer = $server->ask('GET', "/exit/$code");
            self::assertSame([403, "exits $code"], [$answer->status, $answer->body]);
            self::assertSame('[200]', $server->ask('GET', '/status')->body);
        }
        self::assertSame('last words', $server->ask('GET', '/die')->body);
        self::assertSame('[1]', $server->ask('GET', '/scope')->body, 'what belonged to a request is gone');
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait(), 'no exit code of a handler is left: ' . $server->errors());
    }

    public function test_a_handler_that_ends_the_servers_buffer_is_told_so_and_its_worker_replaced(): void
    {
        $server = $this->ownServer(['--workers=1']);
        $pid = $server->ask('GET', '/pid')->body;
        $answer = $server->ask('GET', '/unbuffered');
        self::assertSame([200, ''], [$answer->status, $answer->body]);
        $server->awaitError("a handler has ended the server's output buffer");
        for ($i = 0; self::isNative() && $server->ask('GET', '/pid')->body === $pid; $i++) {
            self::assertLessThan(2_000, $i, 'the worker stays');
            usleep(10_000);
        }
        self::assertSame(500, $server->ask('GET', '/throw')->status);
        self::assertSame(1, substr_count($server->errors(), 'has ended the server'), 'and only then');
    }

    /** @dataProvider fatal */
    public function test_a_fatal_error_is_a_500_and_the_end_of_the_process(string $path, string $message): void
    {
        $server = $this->soloServer();
        $fatal = $server->begin('GET', $path);
        $answer = $server->finish($fatal);
        self::assertSame(
            [500, '{"error":{"status":500,"message":"The server failed."}}'],
            [$answer->status, $answer->body],
        );
        self::assertSame(255, $server->wait());
        self::assertStringContainsString('The server ends: ', $server->errors());
        self::assertStringContainsString($message, $server->errors());
    }

    public function fatal(): array
    {
        return [['/exhaust', 'Allowed memory size'], ['/redeclare', 'Cannot declare class Twice']];
    }

    /** The answer to a request that waited while the one before it died of a fatal error. */
    private function afterFatal(ServerProcess $server): Answer
    {
        $before = $server->hold($name = self::unique());
        $fatal = $server->begin('GET', '/exhaust');
        usleep(20_000);
        $after = $server->begin('GET', '/hello/x');
        $server->release($name);
        self::assertSame("held $name", $server->finish($before)->body);
        self::assertSame(500, $server->finish($fatal)->status);
        return $server->finish($after);
    }

    public function test_who_waits_behind_a_fatal_error_is_told_so(): void
    {
        $server = $this->soloServer();
        self::assertSame(503, $this->afterFatal($server)->status);
        self::assertSame(255, $server->wait());
    }

    /** @dataProvider fatal */
    public function test_a_fatal_error_in_a_fleet_is_a_500_and_another_serves(string $path, string $message): void
    {
        $this->needsFleet();
        $server = $this->ownServer(['--workers=1']);
        $answer = $server->ask('GET', $path);
        self::assertSame(
            [500, '{"error":{"status":500,"message":"The server failed."}}'],
            [$answer->status, $answer->body],
        );
        self::assertSame('hello x', $server->ask('GET', '/hello/x')->body);
        self::assertStringContainsString('The worker ends: ', $server->errors());
        self::assertStringContainsString($message, $server->errors());
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait(), $server->errors());
    }

    public function test_who_waits_behind_a_fatal_error_in_a_fleet_is_served(): void
    {
        $this->needsFleet();
        $server = $this->ownServer(['--workers=1']);
        self::assertSame('hello x', $this->afterFatal($server)->body);
    }

    public function test_nothing_of_one_request_is_left_for_the_next(): void
    {
        self::assertSame('[1]', $this->server()->ask('GET', '/scope')->body);
        self::assertSame('[1]', $this->server()->ask('GET', '/scope')->body);
    }

    public function test_handlers_can_use_fibers(): void
    {
        self::assertSame('was in a fiber', $this->server()->ask('GET', '/fiber')->body);
    }
}
