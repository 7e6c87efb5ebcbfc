<?php

declare(strict_types=1);

namespace Lyger\Routing;

use Closure;
use FastRoute\BadRouteException;
use FastRoute\DataGenerator\GroupCountBased as Generator;
use FastRoute\Dispatcher;
use FastRoute\Dispatcher\GroupCountBased;
use FastRoute\RouteCollector;
use FastRoute\RouteParser\Std;
use Lyger\Container\Container;
use Lyger\Http\NotRouted;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Middleware\Pipeline;

/**
 * Sends requests to handlers. The table itself is FastRoute's.
 *
 * A handler is a closure, [Controller::class, 'method'], an invokable class or object; its parameters are filled from
 * the route by name (and checked against their type), from the request, and from the container by class.
 */
final class Router
{
    /** @var list<Definition> */
    private array $routes = [];
    /** @var list<class-string|object> */
    private array $middleware = [];
    private Group $group;
    private ?Dispatcher $table = null;
    private ?Urls $urls = null;
    private readonly Invoker $invoker;
    private readonly Pipeline $pipeline;

    public function __construct(private readonly Container $container = new Container())
    {
        $this->group = new Group();
        $this->invoker = new Invoker($container);
        $this->pipeline = new Pipeline($container);
    }

    /** @param Closure|array{class-string|object, string}|class-string|object $handler */
    public function get(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['GET'], $pattern, $handler);
    }

    /** @param Closure|array{class-string|object, string}|class-string|object $handler */
    public function post(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['POST'], $pattern, $handler);
    }

    /** @param Closure|array{class-string|object, string}|class-string|object $handler */
    public function put(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['PUT'], $pattern, $handler);
    }

    /** @param Closure|array{class-string|object, string}|class-string|object $handler */
    public function patch(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['PATCH'], $pattern, $handler);
    }

    /** @param Closure|array{class-string|object, string}|class-string|object $handler */
    public function delete(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['DELETE'], $pattern, $handler);
    }

    /** @param Closure|array{class-string|object, string}|class-string|object $handler */
    public function options(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['OPTIONS'], $pattern, $handler);
    }

    /**
     * Every method.
     *
     * @param Closure|array{class-string|object, string}|class-string|object $handler
     */
    public function any(string $pattern, array|string|object $handler): Definition
    {
        return $this->match(['*'], $pattern, $handler);
    }

    /**
     * @param list<string> $methods
     * @param Closure|array{class-string|object, string}|class-string|object $handler
     */
    public function match(array $methods, string $pattern, array|string|object $handler): Definition
    {
        $this->changed();
        return $this->routes[] = new Definition(
            array_map(strtoupper(...), $methods),
            $this->group->pattern($pattern),
            $handler,
            $this->group->middleware,
            $this->changed(...),
            $this->group->once,
        );
    }

    /**
     * Routes that share the start of their paths, and middleware.
     *
     * @param callable(self): mixed $define
     * @param list<class-string|object> $middleware
     * @param bool $once as Definition::once() for each of them
     */
    public function group(string $prefix, callable $define, array $middleware = [], bool $once = false): void
    {
        $outer = $this->group;
        $this->group = $outer->inner($prefix, $middleware, $once);
        try {
            $define($this);
        } finally {
            $this->group = $outer;
        }
    }

    /** Middleware for every request, also those that no route takes. */
    public function middleware(string|object ...$middleware): self
    {
        array_push($this->middleware, ...array_values($middleware));
        return $this;
    }

    /**
     * The path of a named route; parameters that it doesn't have go into the query.
     *
     * @param array<string, scalar> $params
     */
    public function url(string $name, array $params = []): string
    {
        $this->urls ??= new Urls($this->routes);
        return $this->urls->url($name, $params);
    }

    /** @return list<Definition> */
    public function routes(): array
    {
        return $this->routes;
    }

    public function dispatch(Request $request): Response
    {
        return $this->middleware === []
            ? $this->route($request)
            : $this->pipeline->send($request, $this->middleware, $this->route(...));
    }

    /**
     * Builds the table and checks every handler, so that mistakes show at start and not at the first request.
     *
     * @throws BadRoute
     */
    public function compile(): void
    {
        $this->urls = new Urls($this->routes);
        $collector = new RouteCollector(new Std(), new Generator());
        foreach ($this->routes as $route) {
            $this->invoker->check($route);
            try {
                $collector->addRoute($route->methods(), $route->pattern(), $route);
            } catch (BadRouteException $exception) {
                throw BadRoute::because($route, $exception->getMessage());
            }
        }
        $this->table = new GroupCountBased($collector->getData());
    }

    private function route(Request $request): Response
    {
        if ($this->table === null) {
            $this->compile();
        }
        $found = $this->table->dispatch($request->method(), Path::forMatching($request->rawPath()));
        return match ($found[0]) {
            Dispatcher::FOUND => $this->enter($found[1], $request, Path::params($found[2])),
            Dispatcher::METHOD_NOT_ALLOWED => $this->notAllowed($request, $found[1]),
            default => NotRouted::create(),
        };
    }

    /** @param array<string, string> $params */
    private function enter(Definition $route, Request $request, array $params): Response
    {
        $request->setParams($params);
        if ($route->isOnce()) {
            $request->once();
        }
        $middleware = $route->routeMiddleware();
        if ($middleware === []) {
            return Response::from($this->invoker->call($route, $request));
        }
        $handler = fn (Request $request): Response => Response::from($this->invoker->call($route, $request));
        return $this->pipeline->send($request, $middleware, $handler);
    }

    /** @param list<string> $methods */
    private function notAllowed(Request $request, array $methods): Response
    {
        if (in_array('GET', $methods, true)) {
            $methods[] = 'HEAD';
        }
        $methods[] = 'OPTIONS';
        $allow = implode(', ', array_unique($methods));
        $response = $request->method() === 'OPTIONS' ? Response::noContent() : Response::error(405);
        return $response->setHeader('Allow', $allow);
    }

    private function changed(): void
    {
        $this->table = null;
        $this->urls = null;
    }
}
