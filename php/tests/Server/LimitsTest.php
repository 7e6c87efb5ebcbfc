<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\ServerProcess;

/** Limits and timeouts: 400, 408, 413, 414, 431. */
final class LimitsTest extends ServerTestCase
{
    private static ?ServerProcess $strict = null;

    private static function strict(): ServerProcess
    {
        return self::$strict ??= ServerProcess::rawr([
            '--body-bytes-max=1000', '--head-timeout-ms=300', '--body-idle-timeout-ms=300', '--header-count-max=20',
            '--uri-bytes-max=500', '--head-bytes-max=8192',
        ]);
    }

    public static function tearDownAfterClass(): void
    {
        self::$strict?->stop();
        self::$strict = null;
        parent::tearDownAfterClass();
    }

    /** @dataProvider refused */
    public function test_what_exceeds_a_limit_is_refused(string $bytes, int $status): void
    {
        $answer = self::strict()->finish(self::strict()->send($bytes));
        self::assertSame($status, $answer->status);
        self::assertSame($status, $answer->json()['error']['status']);
        self::assertSame(
            ['application/json', 'close'],
            [$answer->header('content-type'), $answer->header('connection')],
        );
    }

    public function refused(): array
    {
        $post = "POST /inspect HTTP/1.1\r\nHost: h\r\n";
        $get = "GET /inspect HTTP/1.1\r\nHost: h\r\n";
        return [
            'an announced body' => ["{$post}Content-Length: 1001\r\n\r\n" . str_repeat('x', 1001), 413],
            'a chunked body' => [
                "{$post}Transfer-Encoding: chunked\r\n\r\n3e9\r\n" . str_repeat('x', 1001) . "\r\n0\r\n\r\n",
                413,
            ],
            'many headers' => [$get . str_repeat("X-A: b\r\n", 30) . "\r\n", 431],
            'a large header' => ["{$get}X-A: " . str_repeat('x', 9000) . "\r\n\r\n", 431],
            'a long target' => ['GET /' . str_repeat('x', 600) . " HTTP/1.1\r\nHost: h\r\n\r\n", 414],
            'no http' => ["hello\r\n\r\n", 400],
            'no host' => ["GET / HTTP/1.1\r\n\r\n", 400],
            'two hosts' => ["{$get}Host: i\r\n\r\n", 400],
            'a header with a space' => ["{$get}X A: b\r\n\r\n", 400],
            'two lengths' => ["{$post}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
            'a length that is none' => ["{$post}Content-Length: +1\r\n\r\na", 400],
            'a chunk that is none' => ["{$post}Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400],
            'half a head' => ["GET /inspect HTTP/1.1\r\nHo", 408],
            'half a body' => ["{$post}Content-Length: 10\r\n\r\nhalf", 408],
        ];
    }

    public function test_what_is_just_within_the_limits_is_served(): void
    {
        self::assertSame(200, self::strict()->ask('POST', '/inspect', [], str_repeat('x', 1000))->status);
        self::assertSame(200, self::strict()->ask('GET', '/inspect?' . str_repeat('x', 480))->status);
    }

    public function test_length_beside_chunks_is_never_two_requests(): void
    {
        $smuggled = "GET /hello/smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
        $length = strlen("0\r\n\r\n$smuggled");
        $both = ["Content-Length: $length", 'Transfer-Encoding: chunked'];
        foreach ([implode("\r\n", $both), implode("\r\n", array_reverse($both))] as $framing) {
            $socket = self::strict()->send("POST /inspect HTTP/1.1\r\nHost: h\r\n$framing\r\n\r\n0\r\n\r\n$smuggled");
            $bytes = (string) stream_get_contents($socket);
            self::assertLessThanOrEqual(1, substr_count($bytes, 'HTTP/1.1 200'), $framing);
            self::assertStringNotContainsString('hello smuggled', $bytes, $framing);
        }
    }

    public function test_flags_limit_what_handlers_and_answers_take_from_a_database(): void
    {
        $server = $this->ownServer(['--db-result-bytes-max=1024']);
        self::assertSame(203, $server->ask('GET', '/sql/50')->status);
        // The engine holds some rows of an answer at a time, pure PHP all of them.
        self::assertSame(self::isNative() ? 203 : 500, $server->ask('GET', '/sql/500')->status);
        self::assertSame(200, $server->ask('GET', '/rows/50')->status);
        self::assertSame(500, $server->ask('GET', '/rows/500')->status);
        self::assertStringContainsString('db.result_bytes_max', $server->errors());
    }

    public function test_a_statement_timeout_of_0_lifts_the_limit(): void
    {
        self::assertSame(203, $this->ownServer(['--db-statement-timeout-ms=0'])->ask('GET', '/sql/5')->status);
    }

    public function test_a_slow_client_does_not_hold_up_others(): void
    {
        $slow = $this->server()->send("GET /hello/slow HTTP/1.1\r\n");
        self::assertSame('hello quick', $this->server()->ask('GET', '/hello/quick')->body);
        fwrite($slow, "Host: h\r\nConnection: close\r\n\r\n");
        self::assertSame('hello slow', $this->server()->finish($slow)->body);
    }

    public function test_a_client_that_reads_slowly_gets_everything_and_one_that_reads_nothing_is_closed(): void
    {
        $server = $this->ownServer(['--write-timeout-ms=1000']);
        $request = "GET /big/16000000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        $slow = $server->send($request);
        $idle = $server->send($request);
        $got = 0;
        // 300 KB/s; the kernel has room for more only when a third of some MB is read.
        for ($ends = microtime(true) + 5.0; microtime(true) < $ends; usleep(50_000)) {
            $got += strlen((string) fread($slow, 15_000));
        }
        self::assertLessThan(4_000_000, $got, 'this was not slow');
        self::assertGreaterThan(16_000_000, $got + strlen((string) stream_get_contents($slow)));
        self::assertLessThan(16_000_000, strlen((string) stream_get_contents($idle)));
    }

    public function test_a_client_that_waits_for_continue_is_told_to(): void
    {
        $head = "POST /inspect HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
        $socket = $this->server()->send("{$head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        self::assertSame("HTTP/1.1 100 Continue\r\n\r\n", fread($socket, 100));
        fwrite($socket, 'ok');
        self::assertSame('ok', base64_decode($this->server()->finish($socket)->json()['body']));
    }
}
