<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Config;
use Lyger\Server\Proxies;
use Lyger\Server\Refused;
use Lyger\Server\RequestParser;
use PHPUnit\Framework\TestCase;

/** HTTP/1 as the server in pure PHP reads it. */
final class RequestParserTest extends TestCase
{
    /** @param positive-int $piece how many bytes come at once */
    private static function parse(string $bytes, int $piece = PHP_INT_MAX): RequestParser
    {
        $parser = new RequestParser(Config::resolve());
        foreach (str_split($bytes, $piece) as $part) {
            $parser->feed($part);
        }
        return $parser;
    }

    /** @dataProvider requests */
    public function test_a_request_is_the_same_in_whatever_pieces_it_comes(string $bytes, array $expected): void
    {
        foreach ([1, 2, 3, 7, 64, PHP_INT_MAX] as $piece) {
            $parser = self::parse($bytes, $piece);
            self::assertTrue($parser->isComplete(), "in pieces of $piece");
            $source = $parser->source('127.0.0.1', 1, new Proxies(Config::resolve()));
            $seen = [$source->method(), $source->path(), $source->query(), $source->headers(), $source->body()];
            self::assertSame($expected, $seen);
        }
    }

    public function requests(): array
    {
        $host = ['host', 'h'];
        return [
            ["GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", ['GET', '/a', 'b=c', [$host], '']],
            ["\r\nGET /?? HTTP/1.1\r\nHost:h\r\nX:  a b\t\r\nY:\r\n\r\n", [
                'GET', '/', '?', [$host, ['x', 'a b'], ['y', '']], '',
            ]],
            ["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", [
                'POST', '/', '', [$host, ['content-length', '5']], 'hello',
            ]],
            ["POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
                . "5 \r\nhe\r\nl\r\nA;x\r\n0123456789\r\n0\r\nT: r\r\n\r\n", [
                'POST', '/', '', [$host, ['transfer-encoding', 'Chunked']], "he\r\nl0123456789",
            ]],
            ["GET http://x/y HTTP/1.1\r\nHost: h\r\n\r\n", ['GET', '/y', '', [$host], '']],
            ["GET /a HTTP/1.1\nHost: h\r\nX: y\n\n", ['GET', '/a', '', [$host, ['x', 'y']], '']],
            ["POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 05\r\nContent-Length: 5\r\n\r\nhello", [
                'POST', '/', '', [$host, ['content-length', '05']], 'hello',
            ]],
            ["OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", ['OPTIONS', '*', '', [$host], '']],
            ["GET / HTTP/1.0\r\n\r\n", ['GET', '/', '', [], '']],
        ];
    }

    /** @dataProvider refused */
    public function test_what_could_be_read_in_two_ways_is_refused(string $bytes, int $status = 400): void
    {
        try {
            self::parse($bytes);
            self::fail('no exception');
        } catch (Refused $refused) {
            self::assertSame($status, $refused->status());
        }
    }

    public function refused(): array
    {
        $post = "POST / HTTP/1.1\r\nHost: h\r\n";
        return [
            'length beside chunks' => ["{$post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
            'chunks beside length' => ["{$post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"],
            'an unknown coding' => ["{$post}Transfer-Encoding: gzip, chunked\r\n\r\n", 501],
            'chunks in HTTP/1.0' => ["POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"],
            'two lengths' => ["{$post}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"],
            'a list of lengths' => ["{$post}Content-Length: 5, 5\r\n\r\n"],
            'a negative length' => ["{$post}Content-Length: -5\r\n\r\n"],
            'a folded header' => ["{$post}X: a\r\n b\r\n\r\n"],
            'a blank before the colon' => ["{$post}X : a\r\n\r\n"],
            'a NUL in a header' => ["{$post}X: a\0b\r\n\r\n"],
            'another version' => ["GET / HTTP/2.0\r\nHost: h\r\n\r\n"],
            'a relative path' => ["GET a HTTP/1.1\r\nHost: h\r\n\r\n"],
            'a tunnel' => ["CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405],
            'a chunk without its end' => ["{$post}Transfer-Encoding: chunked\r\n\r\n2\r\nabXX"],
            'a chunk of hexadecimal nonsense' => ["{$post}Transfer-Encoding: chunked\r\n\r\n0x5\r\n"],
            'a chunk larger than anything' => ["{$post}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413],
            'a chunk line that never ends' => ["{$post}Transfer-Encoding: chunked\r\n\r\n" . str_repeat('0', 20_000)],
        ];
    }
}
