<?php

declare(strict_types=1);

namespace Lyger\Tests\Http;

use JsonSerializable;
use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\Cookie;
use Lyger\Http\Psr7;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Tests\Routing\Suit;
use Nyholm\Psr7\Response as PsrResponse;
use PHPUnit\Framework\TestCase;
use stdClass;

final class ResponseTest extends TestCase
{
    public function test_each_kind_says_what_it_is(): void
    {
        $json = Response::json(['ü/' => 1.0, "\xff" => null], 201, ['X-A' => 'b']);
        self::assertSame([201, 'b'], [$json->status(), $json->header('x-a')]);
        self::assertSame("{\"ü/\":1.0,\"\u{fffd}\":null}", $json->body());
        self::assertSame('text/html; charset=utf-8', Response::html('<p>')->header('Content-Type'));
        self::assertSame('text/plain; charset=utf-8', Response::text('p')->header('Content-Type'));
        self::assertSame('text/csv', Response::text('p', 200, ['content-type' => 'text/csv'])->header('Content-Type'));
        self::assertSame(
            [302, '/x'],
            [Response::redirect('/x')->status(), Response::redirect('/x')->header('Location')],
        );
    }

    public function test_errors_have_one_form(): void
    {
        $error = Response::error(413);
        self::assertSame('{"error":{"status":413,"message":"The request\'s body is too large."}}', $error->body());
        self::assertSame(
            '{"error":{"status":418,"message":"short and stout"}}',
            Response::error(418, 'short and stout')->body(),
        );
        self::assertSame('{"error":{"status":410,"message":"Gone"}}', Response::error(410)->body());
    }

    public function test_setters_chain_and_change(): void
    {
        $response = new Response('x');
        $same = $response->setStatus(404)->setHeader('A', '1')->setHeader('a', '2')->addHeader('a', '3')->setBody('y');
        self::assertSame($response, $same);
        self::assertSame([404, '2, 3', 'y'], [$response->status(), $response->header('A'), $response->body()]);
        self::assertSame([['a', '2'], ['a', '3']], $response->headers());
        self::assertSame([], $response->removeHeader('A')->headers());
    }

    /** @dataProvider injections */
    public function test_no_value_can_write_a_header_of_its_own(string $name, string $value): void
    {
        $this->expectException(InvalidArgument::class);
        (new Response())->setHeader($name, $value);
    }

    public function injections(): array
    {
        return [
            ['A', "x\r\nSet-Cookie: y=1"],
            ['A', "x\n"],
            ['A', "\0"],
            ["A\n", 'x'],
            ['A B', 'x'],
            ['', 'x'],
            ['A:', 'x'],
        ];
    }

    public function test_a_status_outside_of_http_is_refused(): void
    {
        foreach ([0, 100, 199, 600] as $status) {
            try {
                new Response('', $status);
                self::fail("$status was taken");
            } catch (InvalidArgument $exception) {
                self::assertSame((string) $status, $exception->value());
            }
        }
    }

    public function test_data_without_a_json_form_is_refused(): void
    {
        $circle = new stdClass();
        $circle->self = $circle;
        $circleOfNan = new stdClass();
        [$circleOfNan->nan, $circleOfNan->self] = [NAN, $circleOfNan];
        foreach ([STDERR, $circle, $circleOfNan, ['a' => [INF, STDERR]]] as $data) {
            try {
                Response::json($data);
                self::fail('no exception');
            } catch (InvalidArgument $exception) {
                self::assertStringStartsWith('the answer has no JSON form: ', $exception->getMessage());
            }
        }
    }

    public function test_json_follows_the_engines_rules_for_what_json_cannot_say(): void
    {
        self::assertSame('null', Response::json(NAN)->body());
        $inner = new class implements JsonSerializable {
            public function jsonSerialize(): mixed
            {
                return ['inf' => INF, 'empty' => new stdClass()];
            }
        };
        $object = new stdClass();
        [$object->minus, $object->{'5'}, $object->list] = [-INF, 1.0, []];
        self::assertSame(
            '{"a":[null,0.1,null],"b":{"inf":null,"empty":{}},"c":{"minus":null,"5":1.0,"list":[]},"d":"h"}',
            Response::json(['a' => [NAN, 0.1, INF], 'b' => $inner, 'c' => $object, 'd' => Suit::Hearts])->body(),
        );
        // One for each maximal piece, as the engine: ff; e2 82, the beginning of a sequence; c0.
        $broken = "a\xffb\xe2\x82\xc0c/\u{2028}";
        $mended = "\"a\u{fffd}b\u{fffd}\u{fffd}c/\u{2028}\"";
        self::assertSame("{{$mended}:[{$mended}]}", Response::json([$broken => [$broken]])->body());
        $hex = bin2hex($broken);
        $engine = Db::connect('sqlite::memory:')->json("SELECT CAST(x'$hex' AS TEXT) AS t, 9e999 AS i");
        self::assertSame($engine, Response::json([['t' => $broken, 'i' => INF]])->body());
    }

    public function test_cookies_are_written_safely(): void
    {
        $response = (new Response())
            ->setCookie(new Cookie('a', 'x; y=ü'))
            ->setCookie(new Cookie('b', '', null, '/p', 'example.org', true, false, 'None'))
            ->removeCookie('c');
        [$a, $b, $c] = array_column($response->headers(), 1);
        self::assertSame('a=x%3B%20y%3D%C3%BC; Path=/; HttpOnly; SameSite=Lax', $a);
        self::assertSame('b=; Path=/p; Domain=example.org; Secure; SameSite=None', $b);
        self::assertMatchesRegularExpression(
            '/^c=; Expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT; Max-Age=0; Path=/',
            $c,
        );
        $this->expectException(InvalidArgument::class);
        new Cookie('a', 'b', null, '/; Secure');
    }

    public function test_psr_7_responses_and_requests_cross_the_bridge(): void
    {
        $psr = new PsrResponse(202, ['X-A' => ['1', '2'], 'Content-Type' => 'text/x'], 'body');
        $response = Response::from($psr);
        self::assertSame([202, '1, 2', 'body'], [$response->status(), $response->header('X-A'), $response->body()]);
        $back = Psr7::response($response);
        self::assertSame([['1', '2'], 'body'], [$back->getHeader('x-a'), (string) $back->getBody()]);

        $request = Request::create(
            'POST',
            '/a%20b?c=d',
            ['Host' => 'h:8', 'Content-Type' => 'application/x-www-form-urlencoded'],
            'e=f',
        );
        $request->setAttribute('user', 1)->setParams(['id' => '5']);
        $psr = Psr7::request($request);
        self::assertSame('http://h:8/a%20b?c=d', (string) $psr->getUri());
        self::assertSame(
            [['c' => 'd'], '5', 1],
            [$psr->getQueryParams(), $psr->getAttribute('id'), $psr->getAttribute('user')],
        );
        self::assertSame('f', $psr->getParsedBody()['e']);
        $again = Psr7::fromRequest($psr);
        self::assertSame(['POST', '/a%20b', 'c=d', 'e=f'], [
            $again->method(), $again->rawPath(), $again->queryString(), $again->body(),
        ]);
        self::assertSame(['5', 1, 'h:8'], [$again->param('id'), $again->attribute('user'), $again->host()]);
    }

    public function test_a_sql_response_runs_its_statement_once_when_it_is_read(): void
    {
        $db = Db::connect('sqlite::memory:');
        $response = $db->respond('SELECT ? AS a', [5])->setHeader('X-A', 'b');
        self::assertInstanceOf(SqlResponse::class, $response);
        self::assertTrue($response->isPending());
        self::assertSame(['[{"a":5}]', 'application/json'], [$response->body(), $response->header('content-type')]);
        self::assertSame('replaced', $db->respond('NO SQL AT ALL')->setBody('replaced')->body());
    }
}
