<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

/** What reaches a handler, and what leaves it. */
final class RequestsTest extends ServerTestCase
{
    public function test_every_part_of_a_request_reaches_the_handler(): void
    {
        $body = implode('', array_map(chr(...), range(0, 255)));
        $answer = $this->server()->ask('PUT', '/inspect/gr%C3%B6?a=1&b%5B%5D=2', [
            'X-Mixed-Case' => 'v1',
            'Cookie' => 'c=%C3%BC; d=2',
            'Content-Type' => 'application/octet-stream',
        ], $body);
        self::assertSame([200, 'application/json'], [$answer->status, $answer->header('content-type')]);
        $seen = $answer->json();
        self::assertSame(['PUT', '/inspect/grö', '/inspect/gr%C3%B6'], [$seen['method'], $seen['path'], $seen['raw']]);
        self::assertSame(['a' => '1', 'b' => ['2']], $seen['query']);
        self::assertSame(['v1', 'localhost'], [$seen['headers']['x-mixed-case'], $seen['headers']['host']]);
        self::assertSame(['c' => 'ü', 'd' => '2'], $seen['cookies']);
        self::assertSame(base64_encode($body), $seen['body']);
        self::assertSame(['127.0.0.1', 'http', '1.1'], [$seen['ip'], $seen['scheme'], $seen['version']]);
        self::assertGreaterThan(1023, $seen['port']);
    }

    public function test_a_chunked_body_arrives_whole(): void
    {
        $socket = $this->server()->send(
            "POST /inspect HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "5;x=y\r\nhello\r\n"
        );
        usleep(20_000);
        fwrite($socket, "1\r\n \r\n00006\r\nworld!\r\n0\r\nX-Trailer: y\r\n\r\n");
        self::assertSame('hello world!', base64_decode($this->server()->finish($socket)->json()['body']));
    }

    public function test_repeated_headers_reach_the_handler_joined_and_the_client_apart(): void
    {
        $socket = $this->server()->send(
            "GET /inspect HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-A: 1\r\nX-a: 2\r\n\r\n",
        );
        self::assertSame('1, 2', $this->server()->finish($socket)->json()['headers']['x-a']);
        $answer = $this->server()->ask('GET', '/headers');
        self::assertSame(['a', 'b'], $answer->headers['x-many']);
        self::assertSame(
            ['a=1; Path=/; HttpOnly; SameSite=Lax', 'b=2; Path=/; HttpOnly; SameSite=Lax'],
            $answer->headers['set-cookie'],
        );
        self::assertSame(['1', 'x', 'ü'], [$answer->header('content-length'), $answer->body, $answer->header('x-utf')]);
    }

    public function test_only_trusted_proxies_are_believed_about_the_client(): void
    {
        $list = '6.6.6.6, 1.2.3.4, [2001:db8::1]:80, 10.1.2.3';
        $headers = ['X-Forwarded-For' => $list, 'X-Forwarded-Proto' => 'https'];
        $seen = $this->server()->ask('GET', '/inspect', $headers)->json();
        self::assertSame(['127.0.0.1', 'http'], [$seen['ip'], $seen['scheme']]);
        $server = $this->ownServer(['--trusted-proxies=127.0.0.0/8, 10.0.0.0/9,2001:db8::/32']);
        $seen = $server->ask('GET', '/inspect', $headers)->json();
        self::assertSame(['1.2.3.4', 0, 'https'], [$seen['ip'], $seen['port'], $seen['scheme']]);
        $seen = $server->ask('GET', '/inspect', ['X-Forwarded-For' => '1.2.3.4, unknown, 10.200.0.1'])->json();
        self::assertSame('10.200.0.1', $seen['ip'], '10.200.0.1 lies outside of 10.0.0.0/9');
        $seen = $server->ask('GET', '/inspect', ['X-Forwarded-For' => '1.2.3.4, unknown, 10.2.0.1'])->json();
        self::assertSame('10.2.0.1', $seen['ip'], 'nothing before "unknown" is believed');
        $server = $this->ownServer(['--trusted-proxies=::ffff:127.0.0.0/104']);
        $seen = $server->ask('GET', '/inspect', ['X-Forwarded-For' => '1.2.3.4'])->json();
        self::assertSame('1.2.3.4', $seen['ip'], 'a network of IPv4 in IPv6 clothes');
    }

    public function test_head_gets_the_head_of_get(): void
    {
        $answer = $this->server()->ask('HEAD', '/hello/x');
        self::assertSame([200, '7', ''], [$answer->status, $answer->header('content-length'), $answer->body]);
    }

    public function test_no_content_has_no_body_and_no_length(): void
    {
        $answer = $this->server()->ask('GET', '/empty');
        self::assertSame([204, null, ''], [$answer->status, $answer->header('content-length'), $answer->body]);
    }

    public function test_unknown_paths_and_methods(): void
    {
        $answer = $this->server()->ask('GET', '/nowhere');
        self::assertSame(404, $answer->status);
        self::assertSame('{"error":{"status":404,"message":"Nothing is here."}}', $answer->body);
        $answer = $this->server()->ask('POST', '/empty');
        self::assertSame([405, 'GET, HEAD, OPTIONS'], [$answer->status, $answer->header('allow')]);
    }

    public function test_the_engine_answers_health_and_an_unrouted_root(): void
    {
        $root = $this->server()->ask('GET', '/');
        self::assertSame([200, 'application/json'], [$root->status, $root->header('content-type')]);
        self::assertSame(['framework', 'version', 'message'], array_keys($root->json()));
        self::assertSame(404, $this->server()->ask('POST', '/')->status);
        $health = $this->server()->ask('GET', '/health');
        $keys = ['status', 'version', 'abi', 'shape', 'front', 'kernels', 'workers', 'degraded'];
        $keys = self::isNative() ? [...$keys, 'cache'] : $keys;
        self::assertSame([200, $keys], [$health->status, array_keys($health->json())]);
        if (self::isNative()) {
            self::assertSame(67_108_864, $health->json()['cache']['bytes_max']);
            self::assertSame(6_291_456, $health->json()['cache']['rate_bytes_max']);
        }
        self::assertSame(['ready', 'busy', 'total'], array_keys($health->json()['workers']));
        self::assertSame(self::isNative() ? 'ok' : 'degraded', $health->json()['status']);
        self::assertSame('no-store', $health->header('cache-control'));
    }

    public function test_a_large_answer_arrives_whole(): void
    {
        self::assertSame(5_000_000, strlen($this->server()->ask('GET', '/big/5000000')->body));
    }

    public function test_rows_are_answered_without_becoming_php_values(): void
    {
        $answer = $this->server()->ask('GET', '/sql/3');
        self::assertSame('[{"i":1,"t":"ü\""},{"i":2,"t":"ü\""},{"i":3,"t":"ü\""}]', $answer->body);
        self::assertSame([203, 'application/json', '3'], [
            $answer->status, $answer->header('content-type'), $answer->header('x-rows'),
        ]);
        self::assertCount(20_000, $this->server()->ask('GET', '/sql/20000')->json());
        self::assertSame(' [{"a":1}]', $this->server()->ask('GET', '/sql-echo')->body);
    }

    public function test_a_statement_that_fails_is_a_500_and_an_unreachable_database_a_503(): void
    {
        $answer = $this->server()->ask('GET', '/sql');
        self::assertSame([500, 500], [$answer->status, $answer->json()['error']['status']]);
        self::assertStringNotContainsString('nothing_like_it', $answer->body);
        $answer = $this->server()->ask('GET', '/pool');
        self::assertSame([503, '1'], [$answer->status, $answer->header('retry-after')]);
    }

    public function test_a_client_that_ends_its_half_gets_its_answer(): void
    {
        $server = $this->ownServer(['--half-close-timeout-ms=20000']);
        $post = "POST /inspect HTTP/1.1\r\nHost: h\r\n";
        foreach (
            [
                "GET /hello/x HTTP/1.1\r\nHost: h\r\n\r\n" => 'hello x',
                "GET /sleep/50 HTTP/1.1\r\nHost: h\r\n\r\n" => 'slept 50',
                "{$post}Content-Length: 5\r\n\r\nhello" => base64_encode('hello'),
                "{$post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" => base64_encode('hello'),
                "GET /sql/1 HTTP/1.1\r\nHost: h\r\n\r\n" => '[{"i":1,"t":"ü\""}]',
            ] as $bytes => $expected
        ) {
            $socket = $server->send($bytes);
            stream_socket_shutdown($socket, STREAM_SHUT_WR);
            self::assertStringContainsString($expected, $server->finish($socket)->body, $bytes);
        }
    }

    public function test_requests_at_once_get_their_own_answers(): void
    {
        $sockets = [];
        for ($i = 0; $i < 50; $i++) {
            $sockets[$i] = $this->server()->begin('GET', "/hello/$i");
        }
        foreach ($sockets as $i => $socket) {
            self::assertSame("hello $i", $this->server()->finish($socket)->body);
        }
    }
}
