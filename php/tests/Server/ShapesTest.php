<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Tests\Support\ServerProcess;

/** Answers of rows: the same from the fleet, from one process with the engine, and from pure PHP. */
final class ShapesTest extends ServerTestCase
{
    private const ALL = '{"id":1,"name":"ü"},{"id":2,"name":null},{"id":1,"name":"a,b"}';

    /** @return iterable<string, array{string, string, string}> */
    public function shapes(): iterable
    {
        [$json, $all] = ['application/json', self::ALL];
        yield 'a list' => ['list', $json, "[$all]"];
        yield 'arrays' => ['arrays', $json, '[[1,"ü"],[2,null],[1,"a,b"]]'];
        $ascii = '{"a,b":{"id":1,"name":"a,b"},"\u00fc":{"id":1,"name":"\u00fc"}}';
        yield 'by key, ASCII alone' => ['ascii', $json, $ascii];
        yield 'by key' => ['keyed', $json, '{"1":{"id":1,"name":"a,b"},"2":{"id":2,"name":null}}'];
        yield 'a single row' => ['single', $json, '{"id":1,"name":"ü"}'];
        yield 'an envelope' => ['envelope', $json, '{"data":[' . $all . '],"meta":{"count":3}}'];
        $meta = '{"count":1,"total":3,"page":2,"per_page":2,"pages":2}';
        yield 'a page' => ['paged', $json, '{"data":[{"id":3}],"meta":' . $meta . '}'];
        yield 'lines' => ['ndjson', 'application/x-ndjson', str_replace('},{', "}\n{", $all) . "\n"];
        $csv = "id,name\r\n1,ü\r\n2,\r\n1,\"a,b\"\r\n";
        yield 'CSV' => ['csv', 'text/csv; charset=utf-8; header=present', $csv];
    }

    /** @dataProvider shapes */
    public function test_rows_have_the_shape_that_the_handler_asks_for(string $shape, string $type, string $body): void
    {
        foreach ($this->servers() as $server) {
            $answer = $server->ask('GET', "/shapes/$shape");
            self::assertSame([200, $type, $body], [$answer->status, $answer->header('content-type'), $answer->body]);
        }
    }

    public function test_a_single_row_that_is_not_there_is_a_404_with_the_handlers_headers(): void
    {
        foreach ($this->servers() as $server) {
            $answer = $server->ask('GET', '/shapes/missing');
            self::assertSame([404, 'b'], [$answer->status, $answer->header('x-a')]);
            self::assertSame('application/json', $answer->header('content-type'));
            self::assertSame(['error' => ['status' => 404, 'message' => 'Nothing is here.']], $answer->json());
        }
    }

    public function test_rows_without_a_key_are_a_500(): void
    {
        foreach ($this->servers() as $server) {
            self::assertSame(500, $server->ask('GET', '/shapes/unkeyed')->status);
        }
    }

    public function test_an_etag_saves_the_body(): void
    {
        $tags = [];
        foreach ($this->servers() as $server) {
            $first = $server->ask('GET', '/shapes/etag');
            $tags[] = $tag = (string) $first->header('etag');
            self::assertSame([200, '[' . self::ALL . ']'], [$first->status, $first->body]);
            foreach ([$tag, "W/$tag", '"x", ' . $tag, '*'] as $list) {
                $again = $server->ask('GET', '/shapes/etag', ['If-None-Match' => $list]);
                self::assertSame([304, '', $tag], [$again->status, $again->body, $again->header('etag')], $list);
                self::assertNull($again->header('content-type'));
            }
            self::assertSame(200, $server->ask('GET', '/shapes/etag', ['If-None-Match' => '"x"'])->status);
            self::assertSame($tag, $server->ask('GET', '/shapes/read')->header('etag'), 'also when a handler has read');
        }
        self::assertCount(1, array_unique($tags));
        self::assertSame('"' . hash('xxh128', '[' . self::ALL . ']') . '"', $tags[0]);
    }

    /** @return list<ServerProcess> the fleet or the pure PHP server, and one process with the engine */
    private function servers(): array
    {
        return self::isNative() ? [$this->server(), $this->soloServer()] : [$this->server()];
    }
}
