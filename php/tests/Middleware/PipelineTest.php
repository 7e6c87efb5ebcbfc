<?php

declare(strict_types=1);

namespace Lyger\Tests\Middleware;

use Lyger\Container\Container;
use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Http\SqlResponse;
use Lyger\Middleware\Pipeline;
use PHPUnit\Framework\TestCase;

final class PipelineTest extends TestCase
{
    private function send(array $middleware, ?\Closure $last = null): Response
    {
        $last ??= static fn (Request $request): Response => Response::text('last');
        return (new Pipeline(new Container()))->send(Request::create('GET', '/p?q=1'), $middleware, $last);
    }

    private static function around(string $name): \Closure
    {
        return static function (Request $request, callable $next) use ($name): Response {
            $response = $next($request);
            return $response->setBody("$name({$response->body()})");
        };
    }

    public function test_the_first_middleware_stands_outermost(): void
    {
        self::assertSame('a(b(last))', $this->send([self::around('a'), self::around('b')])->body());
    }

    public function test_a_middleware_can_answer_itself(): void
    {
        $guard = static fn (): Response => Response::error(401);
        self::assertSame(401, $this->send([$guard, self::around('unreached')])->status());
    }

    public function test_a_class_name_is_built_for_each_request(): void
    {
        self::assertSame('1', $this->send([CountingMiddleware::class])->header('X-Count'));
        self::assertSame('1', $this->send([CountingMiddleware::class])->header('X-Count'));
        $one = new CountingMiddleware();
        self::assertSame('2', $this->send([$one, $one])->header('X-Count'));
    }

    public function test_psr_15_middleware_sees_and_changes_request_and_response(): void
    {
        $response = $this->send([new PsrMiddleware()], static function (Request $request): Response {
            return Response::json([$request->attribute('by'), $request->query('q'), $request->header('x-added')], 201);
        });
        self::assertSame('["psr","1","yes"]', $response->body());
        self::assertSame([201, 'psr'], [$response->status(), $response->header('X-Seen-By')]);
    }

    public function test_psr_15_middleware_that_leaves_the_body_alone_keeps_rows_native(): void
    {
        $db = Db::connect('sqlite::memory:');
        $last = static fn (): Response => $db->respond('SELECT 1 AS one');
        $response = $this->send([new PsrMiddleware()], $last);
        self::assertInstanceOf(SqlResponse::class, $response);
        self::assertTrue($response->isPending());
        self::assertSame('psr', $response->header('X-Seen-By'));
        self::assertSame('[{"one":1}]', $response->body());
        self::assertFalse($response->isPending());
    }

    public function test_psr_15_middleware_can_read_the_rows(): void
    {
        $db = Db::connect('sqlite::memory:');
        $last = static fn (): Response => $db->respond('SELECT 1 AS one');
        $response = $this->send([new PsrMiddleware(reads: true)], $last);
        self::assertSame(['11', '[{"one":1}]'], [$response->header('X-Length'), $response->body()]);
    }

    public function test_anything_else_is_no_middleware(): void
    {
        $this->expectException(InvalidArgument::class);
        $this->expectExceptionMessage('stdClass is no middleware');
        $this->send([new \stdClass()]);
    }
}
