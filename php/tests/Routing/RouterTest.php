<?php

declare(strict_types=1);

namespace Lyger\Tests\Routing;

use Lyger\Container\Container;
use Lyger\Http\HttpException;
use Lyger\Http\NotRouted;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Routing\BadRoute;
use Lyger\Routing\Definition;
use Lyger\Routing\Route;
use Lyger\Routing\Router;
use PHPUnit\Framework\TestCase;

final class RouterTest extends TestCase
{
    private Router $router;

    protected function setUp(): void
    {
        $this->router = new Router();
    }

    private function ask(string $method, string $target): Response
    {
        try {
            return $this->router->dispatch(Request::create($method, $target));
        } catch (HttpException $exception) {
            return $exception->response();
        }
    }

    public function test_each_method_finds_its_route(): void
    {
        foreach (['get', 'post', 'put', 'patch', 'delete', 'options'] as $method) {
            $this->router->$method('/x', static fn (): string => $method);
        }
        foreach (['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as $method) {
            self::assertSame(strtolower($method), $this->ask($method, '/x')->body());
        }
        $this->router->any('/any', static fn (Request $request): string => $request->method());
        self::assertSame('PROPFIND', $this->ask('PROPFIND', '/any')->body());
        $this->router->match(['put', 'POST'], '/some', static fn (): string => 'some');
        self::assertSame(['some', 405], [$this->ask('POST', '/some')->body(), $this->ask('GET', '/some')->status()]);
    }

    public function test_parameters_reach_the_handler_by_name_with_their_types(): void
    {
        $handler = static fn (string $b, int $a, Request $request): array => [$a, $b, $request->param('b')];
        $this->router->get('/{a}/{b}', $handler);
        self::assertSame('[7,"x","x"]', $this->ask('GET', '/7/x')->body());
        self::assertSame('[-7,"x","x"]', $this->ask('GET', '/-7/x')->body());
    }

    public function test_a_parameter_that_is_not_of_its_type_is_not_found(): void
    {
        $this->router->get('/int/{v}', static fn (int $v): array => [$v]);
        $this->router->get('/float/{v}', static fn (float $v): array => [$v]);
        $this->router->get('/bool/{v}', static fn (bool $v): array => [$v]);
        $this->router->get('/enum/{v}', static fn (Suit $v): array => [$v->name]);
        foreach (['x', '1.5', '07', '+1', '1e3', '9223372036854775808', '%201', '1%0A'] as $value) {
            self::assertSame(404, $this->ask('GET', "/int/$value")->status(), $value);
        }
        foreach (['x', '1e3', '.5', 'NAN', '1%0A'] as $value) {
            self::assertSame(404, $this->ask('GET', "/float/$value")->status(), $value);
        }
        self::assertSame('[1.5]', $this->ask('GET', '/float/1.5')->body());
        self::assertSame('[true]', $this->ask('GET', '/bool/true')->body());
        self::assertSame(404, $this->ask('GET', '/bool/yes')->status());
        self::assertSame('["Hearts"]', $this->ask('GET', '/enum/h')->body());
        self::assertSame(404, $this->ask('GET', '/enum/x')->status());
    }

    public function test_regular_expressions_restrict_parameters_in_the_pattern_and_by_where(): void
    {
        $this->router->get('/a/{id:\d+}', static fn (string $id): string => $id);
        $this->router->get('/b/{id}', static fn (string $id): string => $id)->where('id', '[a-f]{2}');
        self::assertSame(['12', 404], [$this->ask('GET', '/a/12')->body(), $this->ask('GET', '/a/x')->status()]);
        self::assertSame(['ab', 404], [$this->ask('GET', '/b/ab')->body(), $this->ask('GET', '/b/abc')->status()]);
    }

    public function test_escapes_in_the_path_are_decoded_once_and_never_split_or_end_a_segment(): void
    {
        $this->router->get('/größe/{v}', static fn (string $v): string => $v);
        $this->router->get('/n/{id:\d+}', static fn (string $id): string => $id);
        self::assertSame('a/b', $this->ask('GET', '/gr%C3%B6%C3%9fe/a%2Fb')->body());
        self::assertSame('%41', $this->ask('GET', '/größe/%2541')->body());
        self::assertSame('ü ', $this->ask('GET', '/größe/%c3%bc%20')->body());
        self::assertSame('%zz', $this->ask('GET', '/größe/%zz')->body());
        self::assertSame("x\n", $this->ask('GET', '/größe/x%0a')->body());
        self::assertSame(404, $this->ask('GET', '/n/5%0A')->status());
    }

    public function test_optional_segments_at_the_end_of_a_pattern(): void
    {
        $this->router->get('/list[/{page}]', static fn (int $page = 1): array => [$page]);
        self::assertSame(['[1]', '[3]'], [$this->ask('GET', '/list')->body(), $this->ask('GET', '/list/3')->body()]);
    }

    public function test_groups_nest_their_prefixes_and_middleware_and_end(): void
    {
        $mark = static fn (Request $request, callable $next): Response => $next($request)->addHeader('X-Mark', 'in');
        $this->router->group('/admin', function (Router $router) use ($mark): void {
            $router->get('', static fn (): string => 'root');
            $router->group('/users/', static function (Router $router): void {
                $router->get('{id}', static fn (int $id): string => "user $id");
            }, [$mark]);
        }, [$mark]);
        $this->router->get('/free', static fn (): string => 'free');
        self::assertSame(
            ['root', 'in'],
            [$this->ask('GET', '/admin')->body(), $this->ask('GET', '/admin')->header('x-mark')],
        );
        self::assertSame('user 3', $this->ask('GET', '/admin/users/3')->body());
        self::assertSame('in, in', $this->ask('GET', '/admin/users/3')->header('X-Mark'));
        self::assertNull($this->ask('GET', '/free')->header('X-Mark'));
    }

    public function test_a_route_or_a_group_opts_out_of_being_run_again_before_its_handler_runs(): void
    {
        $asked = null;
        $handler = static function () use (&$asked): string {
            return json_encode($asked());
        };
        $ask = function (string $path) use (&$asked): string {
            $source = new OnceSource($path);
            $asked = static fn (): int => $source->once;
            return $this->router->dispatch(new Request($source))->body();
        };
        $this->router->get('/again', $handler);
        $this->router->get('/once', $handler)->once();
        $this->router->group('/pay', static function (Router $router) use ($handler): void {
            $router->get('/a', $handler);
            $router->group('/b', static fn (Router $router): Definition => $router->get('/c', $handler));
        }, once: true);
        $this->router->get('/after', $handler);
        $found = array_map($ask, ['/again', '/once', '/pay/a', '/pay/b/c', '/after']);
        self::assertSame(['0', '1', '1', '1', '0'], $found);
    }

    public function test_an_unknown_path_is_not_routed(): void
    {
        $response = $this->ask('GET', '/nowhere');
        self::assertInstanceOf(NotRouted::class, $response);
        self::assertSame(404, $response->status());
        self::assertSame('{"error":{"status":404,"message":"Nothing is here."}}', $response->body());
    }

    public function test_a_wrong_method_is_told_the_right_ones(): void
    {
        $this->router->get('/x', static fn (): string => 'x');
        $this->router->delete('/x', static fn (): string => 'x');
        $response = $this->ask('POST', '/x');
        self::assertSame([405, 'GET, DELETE, HEAD, OPTIONS'], [$response->status(), $response->header('Allow')]);
        $response = $this->ask('OPTIONS', '/x');
        self::assertSame([204, 'GET, DELETE, HEAD, OPTIONS'], [$response->status(), $response->header('Allow')]);
        self::assertSame(404, $this->ask('OPTIONS', '/y')->status());
    }

    public function test_head_falls_to_get(): void
    {
        $this->router->get('/x/{id}', static fn (int $id): string => "x$id");
        self::assertSame([200, 'x5'], [$this->ask('HEAD', '/x/5')->status(), $this->ask('HEAD', '/x/5')->body()]);
    }

    public function test_controllers_are_built_anew_for_each_request(): void
    {
        $this->router->get('/count', [Counter::class, 'next']);
        $this->router->get('/invoke', Counter::class);
        $this->router->get('/static', [Counter::class, 'fixed']);
        self::assertSame(['1', '1'], [$this->ask('GET', '/count')->body(), $this->ask('GET', '/count')->body()]);
        self::assertSame('invoked', $this->ask('GET', '/invoke')->body());
        self::assertSame('fixed', $this->ask('GET', '/static')->body());
    }

    public function test_handlers_are_given_services_by_class(): void
    {
        $container = new Container();
        $container->instance(Counter::class, $counter = new Counter());
        $counter->next();
        $this->router = new Router($container);
        $this->router->get('/{n}', static fn (Counter $counter, int $n): string => $n . $counter->next());
        self::assertSame('12', $this->ask('GET', '/1')->body());
    }

    public function test_what_a_handler_returns_becomes_an_answer(): void
    {
        $this->router->get('/array', static fn (): array => ['a' => 'ü/', 'f' => 1.0]);
        $this->router->get('/text', static fn (): string => '<b>');
        $this->router->get('/number', static fn (): int => 1);
        self::assertSame('{"a":"ü/","f":1.0}', $this->ask('GET', '/array')->body());
        self::assertSame('application/json', $this->ask('GET', '/array')->header('content-type'));
        self::assertSame('text/html; charset=utf-8', $this->ask('GET', '/text')->header('content-type'));
        $this->expectExceptionMessage('a handler returned int');
        $this->ask('GET', '/number');
    }

    public function test_named_routes_give_urls_that_lead_back(): void
    {
        $this->router->get('/p/{id:\d+}/{name}[/{page}]', static fn (string $name): string => $name)->name('p');
        $this->router->get('/files/{path:.+}', static fn (string $path): string => $path)->name('file');
        self::assertSame('/p/7/a%2Fb%20%25', $this->router->url('p', ['id' => 7, 'name' => 'a/b %']));
        self::assertSame(
            '/p/7/x/2?q=a%20b',
            $this->router->url('p', ['id' => 7, 'name' => 'x', 'page' => 2, 'q' => 'a b']),
        );
        self::assertSame('a/b %', $this->ask('GET', $this->router->url('p', ['id' => 7, 'name' => 'a/b %']))->body());
        self::assertSame('a/b.txt', $this->ask('GET', $this->router->url('file', ['path' => 'a/b.txt']))->body());
    }

    /** @dataProvider badUrls */
    public function test_a_url_that_leads_nowhere_is_refused(string $name, array $params, string $message): void
    {
        $this->router->get('/p/{id:\d+}', static fn (): string => '')->name('p');
        $this->expectException(BadRoute::class);
        $this->expectExceptionMessage($message);
        $this->router->url($name, $params);
    }

    public function badUrls(): array
    {
        return [
            ['q', [], 'no route has the name "q"'],
            ['p', [], 'needs the parameter "id"'],
            ['p', ['id' => 'x'], '"x" is no "id"'],
            ['p', ['id' => "5\n"], 'is no "id"'],
        ];
    }

    /** @dataProvider badRoutes */
    public function test_mistakes_in_the_table_show_when_it_is_built(\Closure $define, string $message): void
    {
        $define($this->router);
        $this->expectException(BadRoute::class);
        $this->expectExceptionMessage($message);
        $this->router->compile();
    }

    public function badRoutes(): array
    {
        return [
            [static fn (Router $r) => $r->get('/x', [Counter::class, 'nope']), 'there is no handler'],
            [static fn (Router $r) => $r->get('/x', 'NoSuchClass'), 'there is no handler NoSuchClass'],
            [static fn (Router $r) => $r->get('/x[', Counter::class), 'GET /x['],
            [static function (Router $r): void {
                $r->get('/{a}', Counter::class);
                $r->get('/{b}', Counter::class);
            }, 'GET /{b}'],
            [static function (Router $r): void {
                $r->get('/a', Counter::class)->name('n');
                $r->get('/b', Counter::class)->name('n');
            }, 'another route has the name "n"'],
        ];
    }

    public function test_routes_can_be_added_after_the_first_request(): void
    {
        self::assertSame(404, $this->ask('GET', '/late')->status());
        $this->router->get('/late', static fn (): string => 'late');
        self::assertSame('late', $this->ask('GET', '/late')->body());
    }

    public function test_the_facade_speaks_to_the_router(): void
    {
        Route::setRouter($this->router);
        Route::get('/f/{id}', static fn (int $id): string => "f$id")->name('f');
        Route::group('/g', static fn () => Route::get('/x', static fn (): string => 'gx'));
        self::assertSame(['f1', 'gx'], [$this->ask('GET', '/f/1')->body(), $this->ask('GET', '/g/x')->body()]);
        self::assertSame('/f/2', Route::url('f', ['id' => 2]));
        $this->expectException(\BadMethodCallException::class);
        Route::fetch('/x');
    }
}
