<?php

declare(strict_types=1);

namespace Lyger\Tests\Http;

use Lyger\Http\ArraySource;
use Lyger\Http\GlobalsSource;
use Lyger\Http\HttpException;
use Lyger\Http\Request;
use PHPUnit\Framework\TestCase;

final class RequestTest extends TestCase
{
    public function test_path_and_query_are_decoded_and_kept_as_they_came(): void
    {
        $request = Request::create('get', '/gr%C3%B6%2F%zz?a=1&b[]=x&b[]=y&c=%C3%BC+z');
        self::assertSame('GET', $request->method());
        self::assertSame(['/grö/%zz', '/gr%C3%B6%2F%zz'], [$request->path(), $request->rawPath()]);
        self::assertSame(['1', ['x', 'y'], 'ü z'], array_values($request->query()));
        self::assertSame(['1', 'none'], [$request->query('a'), $request->query('d', 'none')]);
        self::assertSame('a=1&b[]=x&b[]=y&c=%C3%BC+z', $request->queryString());
    }

    public function test_headers_ignore_case_and_join_their_values(): void
    {
        $request = new Request(new ArraySource('GET', '/', '', [['X-A', '1'], ['Host', 'h:1'], ['x-a', '2']]));
        self::assertSame(
            ['1, 2', null, 'd'],
            [$request->header('X-a'), $request->header('b'), $request->header('b', 'd')],
        );
        self::assertSame(['x-a' => '1, 2', 'host' => 'h:1'], $request->headers());
        self::assertSame('h:1', $request->host());
    }

    public function test_cookies_are_decoded_and_the_first_of_a_name_wins(): void
    {
        $request = Request::create('GET', '/', ['Cookie' => 'a=1; b="x y"; a=2; c=%C3%BC=; broken; =x']);
        self::assertSame(['a' => '1', 'b' => 'x y', 'c' => 'ü='], $request->cookies());
        self::assertSame(['1', null], [$request->cookie('a'), $request->cookie('z')]);
    }

    public function test_json_bodies_keep_big_integers(): void
    {
        $request = Request::create(
            'POST',
            '/',
            ['Content-Type' => 'application/json'],
            '{"n":12345678901234567890,"a":[1]}',
        );
        self::assertSame(['n' => '12345678901234567890', 'a' => [1]], $request->json());
        self::assertSame([1], $request->input('a'));
    }

    public function test_a_broken_json_body_is_the_clients_mistake(): void
    {
        try {
            Request::create('POST', '/', ['Content-Type' => 'application/json'], '{')->json();
            self::fail('no exception');
        } catch (HttpException $exception) {
            self::assertSame(400, $exception->status());
        }
    }

    /** @dataProvider bodies */
    public function test_input_reads_what_the_client_sent(string $type, string $body, mixed $expected): void
    {
        $request = Request::create('POST', '/?q=1&name=query', ['content-type' => $type], $body);
        self::assertSame($expected, $request->input('name'));
        self::assertSame('1', $request->input('q'));
    }

    public function bodies(): array
    {
        return [
            ['application/json', '{"name":7}', 7],
            ['application/vnd.api+json; charset=utf-8', '{"name":"x"}', 'x'],
            ['application/x-www-form-urlencoded', 'name=a%20b', 'a b'],
            ['text/plain', 'name=x', 'query'],
            ['application/json', '', 'query'],
            ['application/json', '5', 'query'],
        ];
    }

    public function test_attributes_are_for_middleware(): void
    {
        $request = Request::create('GET', '/')->setAttribute('user', 5);
        self::assertSame([5, null], [$request->attribute('user'), $request->attribute('other')]);
    }

    public function test_nothing_is_asked_of_the_source_before_it_is_needed_and_then_once(): void
    {
        $source = new CountingSource();
        $request = new Request($source);
        self::assertSame([], $source->asked);
        $request->body();
        $request->body();
        $request->cookies();
        $request->cookies();
        self::assertSame(['body' => 1, 'header' => 1], $source->asked);
    }

    public function test_phps_own_request_is_read_from_the_globals(): void
    {
        $source = new GlobalsSource([
            'REQUEST_METHOD' => 'POST',
            'REQUEST_URI' => '/a%20b?x=1',
            'SERVER_PROTOCOL' => 'HTTP/1.1',
            'HTTP_X_FORWARDED_FOR' => '1.2.3.4',
            'HTTP_HOST' => 'h',
            'CONTENT_TYPE' => 'text/plain',
            'CONTENT_LENGTH' => '',
            'REMOTE_ADDR' => '9.9.9.9',
            'REMOTE_PORT' => '77',
            'HTTPS' => 'on',
        ]);
        $request = new Request($source);
        self::assertSame(['POST', '/a b', '1'], [$request->method(), $request->path(), $request->query('x')]);
        self::assertSame(['9.9.9.9', 77, 'https', '1.1'], [
            $request->ip(), $request->port(), $request->scheme(), $request->protocolVersion(),
        ]);
        self::assertSame(['x-forwarded-for', 'host', 'content-type'], array_keys($request->headers()));
        self::assertSame(['text/plain', null], [$request->header('Content-Type'), $request->header('Content-Length')]);
    }
}
