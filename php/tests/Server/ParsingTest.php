<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\Answer;
use Lyger\Tests\Support\ServerProcess;

/**
 * One rule for what is a request (RFC 9112), in one table that both servers are held to: the native half of the suite
 * runs it against the native front, the other half against the server in pure PHP.
 */
final class ParsingTest extends ServerTestCase
{
    private static ?ServerProcess $strict = null;

    private static function strict(): ServerProcess
    {
        return self::$strict ??= ServerProcess::rawr([
            '--body-bytes-max=1000', '--head-timeout-ms=1000', '--body-idle-timeout-ms=1000', '--header-count-max=20',
            '--uri-bytes-max=500', '--head-bytes-max=8192',
        ]);
    }

    public static function tearDownAfterClass(): void
    {
        self::$strict?->stop();
        self::$strict = null;
        parent::tearDownAfterClass();
    }

    /** @dataProvider requests */
    public function test_both_servers_read_the_same_bytes_alike(string $bytes, int $status): void
    {
        $socket = self::strict()->send($bytes);
        $answer = Answer::parse((string) stream_get_contents($socket));
        fclose($socket);
        self::assertSame($status, $answer->status);
        if ($status >= 400) {
            self::assertSame($status, $answer->json()['error']['status']);
            self::assertSame($status === 405 ? $answer->header('connection') : 'close', $answer->header('connection'));
        }
    }

    public function requests(): iterable
    {
        $end = "Host: h\r\nConnection: close\r\n";
        foreach (self::targets() as $line => $status) {
            yield addcslashes("$line", "\0..\37\177..\377") => ["$line HTTP/1.1\r\n$end\r\n", $status];
        }
        foreach (self::framings() as $headers => $status) {
            yield $headers => ["POST /inspect HTTP/1.1\r\n$end$headers\r\n\r\nabc", $status];
        }
        foreach (self::chunks() as $chunks => $status) {
            $head = "POST /inspect HTTP/1.1\r\n{$end}Transfer-Encoding: chunked\r\n\r\n";
            yield strlen($chunks) . ': ' . substr(addcslashes($chunks, "\0..\37"), 0, 60) => [$head . $chunks, $status];
        }
        foreach (self::heads() as $head => $status) {
            yield strlen($head) . ': ' . substr(addcslashes($head, "\0..\37\177..\377"), 0, 60) => [$head, $status];
        }
    }

    /** @return array<string, int> by method and target */
    private static function targets(): array
    {
        return [
            'GET /inspect' => 200,
            'GET /inspect/%zz' => 200,
            'GET /inspect?q={"a":1}' => 400,
            'GET /inspect?q={a:1}`|\\^[]' => 200,
            'GET /inspect/{"a":1}|\\^[]' => 200,
            'GET /inspect?<b>' => 400,
            'GET /inspect/<b>' => 400,
            'GET /inspect/`' => 400,
            "GET /inspect?\xff" => 400,
            "GET /inspect/\xff" => 400,
            'GET /inspect?ü' => 200,
            'GET /inspect/ü' => 200,
            "GET /inspect/\x7f" => 400,
            'GET /inspect?a?b??' => 200,
            'GET /inspect#fragment' => 200,
            'GET http://h/inspect?a' => 200,
            'GET HTTPS://u:p@[::1]:80/inspect' => 200,
            'GET http://h' => 200,
            'GET http://h?q' => 200,
            'GET http:///inspect' => 400,
            'GET http://h<x/inspect' => 400,
            'GET http:/inspect' => 400,
            'GET ftp://h/inspect' => 400,
            'GET inspect' => 400,
            'GET h:80' => 400,
            'GET inspect/a' => 400,
            'GET ?a' => 400,
            'GET *' => 400,
            'OPTIONS *' => 204,
            'CONNECT h:80' => 405,
            'POST /health' => 405,
            'OPTIONS /health' => 405,
            'GET /health' => 200,
            'HEAD /inspect' => 200,
            'G@T /inspect' => 400,
            'GET  /inspect' => 400,
            'GET /inspect a' => 400,
            ' GET /inspect' => 400,
            'GET /' . str_repeat('x', 500) => 414,
            'GET /inspect?' . str_repeat('x', 491) => 200,
            'GET /inspect?' . str_repeat('x', 492) => 414,
            'GET http://' . str_repeat('h', 500) . '/inspect' => 200,
        ];
    }

    /** @return array<string, int> by header lines; the body that follows is abc */
    private static function framings(): array
    {
        return [
            'Content-Length: 3' => 200,
            'content-length:  003 ' => 200,
            "Content-Length: 3\r\nContent-Length: 3" => 200,
            "Content-Length: 3\r\nContent-Length: 4" => 400,
            'Content-Length: 3, 3' => 400,
            'Content-Length: +3' => 400,
            'Content-Length: -3' => 400,
            'Content-Length: 0x3' => 400,
            'Content-Length: 3 3' => 400,
            'Content-Length:' => 400,
            'Content-Length: 1001' => 413,
            'Content-Length: 9999999999999999999' => 413,
            'Content-Length: 99999999999999999999999' => 400,
            "Content-Length: 3\r\nTransfer-Encoding: chunked" => 400,
            "Transfer-Encoding: chunked\r\nContent-Length: 3" => 400,
            "Transfer-Encoding: gzip, chunked\r\nContent-Length: 3" => 400,
            'Transfer-Encoding: gzip, chunked' => 501,
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked" => 501,
            'Transfer-Encoding: chunked, chunked' => 501,
            'Transfer-Encoding: identity, chunked' => 501,
            'Transfer-Encoding: gzip' => 400,
            'Transfer-Encoding: identity' => 400,
            'Transfer-Encoding: chunked, gzip' => 400,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip" => 400,
            'Transfer-Encoding: chunked,' => 400,
            'Transfer-Encoding: xchunked' => 400,
            'Transfer-Encoding: "chunked"' => 400,
            'Transfer-Encoding:' => 400,
        ];
    }

    /** @return array<string, int> by chunked body */
    private static function chunks(): array
    {
        return [
            "3\r\nabc\r\n0\r\n\r\n" => 200,
            "0003 \t\r\nabc\r\n0\r\n\r\n" => 200,
            "3;a=\"b\"\r\nabc\r\n00;c\r\nT: 1\r\nU: 2\r\n\r\n" => 200,
            "g\r\n" => 400,
            "zz" => 400,
            "-3\r\nabc\r\n" => 400,
            "0x3\r\nabc\r\n" => 400,
            " 3\r\nabc\r\n" => 400,
            "3 3\r\nabc\r\n" => 400,
            "\r\nabc\r\n" => 400,
            "3\nabc\r\n0\r\n\r\n" => 400,
            "3;a\nabc\r\n0\r\n\r\n" => 400,
            "3\n" => 400,
            "3\r\nabcX" => 400,
            "3\r\nabc\n0\r\n\r\n" => 400,
            "0\r\n\n" => 400,
            "0\r\nT 1\r\n\r\n" => 400,
            "0\r\nT: 1\nU: 2\r\n\r\n" => 400,
            "0\r\n T: 1\r\n\r\n" => 400,
            "3e9\r\n" => 413,
            "3e8\r\n" . str_repeat('x', 1000) . "\r\n1\r\n" => 413,
            "ffffffff\r\n" => 413,
            "fffffffffffffff\r\n" => 413,
            "ffffffffffffffff\r\n" => 400,
            "fffffffffffffffff\r\n" => 400,
            "3\r\nab" => 408,
            "3\r\nabc\r\n" => 408,
            "0\r\n" => 408,
        ];
    }

    /** @return array<string, int> by everything that is sent */
    private static function heads(): array
    {
        $get = "GET /inspect HTTP/1.1\r\nHost: h\r\n";
        $close = "Connection: close\r\n\r\n";
        return [
            "\r\n\n\r\n$get$close" => 200,
            "GET /inspect HTTP/1.1\nHost: h\nConnection: close\n\n" => 200,
            "GET /inspect HTTP/1.1\r\nHost: h\nConnection: close\r\n\n" => 200,
            "GET /inspect HTTP/1.0\r\n\r\n" => 200,
            "{$get}X:  a\tb\xfc \r\nY:\r\n$close" => 200,
            "\rGET /inspect HTTP/1.1\r\n" => 400,
            "GET /inspect\r\n" => 400,
            "GET /inspect\n" => 400,
            "GET /inspect HTTP/2.0\r\n" => 400,
            "GET /inspect HTTP/1.2\r\n" => 400,
            "GET /inspect HTTP/1.1 \r\n" => 400,
            "GET /inspect http/1.1\r\n" => 400,
            "nonsense\r\n" => 400,
            "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n" => 400,
            "GET /inspect HTTP/1.1\r\n$close" => 400,
            "GET /health HTTP/1.1\r\n$close" => 400,
            "OPTIONS * HTTP/1.1\r\n$close" => 400,
            "{$get}Host: h\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost:\r\n$close" => 200,
            "GET /inspect HTTP/1.1\r\nHost: a-b.example:65535\r\n$close" => 200,
            "GET /inspect HTTP/1.1\r\nHost: [::1]:80\r\n$close" => 200,
            "GET /inspect HTTP/1.1\r\nHost: <script>\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost: a b\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost: a/b\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost: user@a\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost: [::1\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost: a:b\r\n$close" => 400,
            "GET /inspect HTTP/1.1\r\nHost: a:65536\r\n$close" => 400,
            "GET /inspect HTTP/1.0\r\nHost: a/b\r\n$close" => 400,
            "GET /health HTTP/1.1\r\nHost: h\r\nHost: i\r\n$close" => 400,
            "GET /health HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n$close" => 400,
            "{$get}X : a\r\n$close" => 400,
            "{$get}X\r\n$close" => 400,
            "$get: a\r\n$close" => 400,
            "{$get}X: a\r\n b\r\n$close" => 400,
            "{$get}X: a\rb\r\n$close" => 400,
            "{$get}X: a\0b\r\n$close" => 400,
            "{$get}X: a\x7fb\r\n$close" => 400,
            "{$get}X\xfc: a\r\n$close" => 400,
            "POST /inspect HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => 400,
            $get . str_repeat("X: a\r\n", 18) . $close => 200,
            $get . str_repeat("X: a\r\n", 19) . $close => 431,
            "{$get}X: " . str_repeat('x', 8000) . "\r\n$close" => 200,
            "{$get}X: " . str_repeat('x', 8200) . "\r\n$close" => 431,
            "{$get}X: " . str_repeat('x', 9000) => 431,
            'GET /' . str_repeat('x', 9000) => 414,
            'GET /insp' => 408,
            "GET /inspect HTTP/1.1\r\nHo" => 408,
            "{$get}" => 408,
            "POST /inspect HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf" => 408,
        ];
    }
}
