<?php

declare(strict_types=1);

namespace Lyger\Routing;

use Closure;
use Lyger\Container\Container;
use Lyger\Http\Request;
use ReflectionFunction;
use ReflectionMethod;
use WeakMap;

/** Calls a route's handler with what its parameters ask for. Controllers are built anew for each request. */
final class Invoker
{
    /** @var WeakMap<Definition, array{Closure(): callable, list<Argument>}> how to call a route's handler */
    private WeakMap $plans;

    public function __construct(private readonly Container $container)
    {
        $this->plans = new WeakMap();
    }

    public function call(Definition $route, Request $request): mixed
    {
        [$target, $signature] = $this->plans[$route] ??= $this->plan($route->handler());
        $params = $request->params();
        $arguments = [];
        foreach ($signature as $argument) {
            $arguments[] = $argument->value($request, $params, $this->container);
        }
        return $target()(...$arguments);
    }

    /** @throws BadRoute when the handler doesn't exist */
    public function check(Definition $route): void
    {
        $handler = $route->handler();
        $exists = match (true) {
            $handler instanceof Closure => true,
            is_array($handler) => count($handler) === 2 && isset($handler[0], $handler[1])
                && is_string($handler[1]) && method_exists($handler[0], $handler[1]),
            default => method_exists($handler, '__invoke'),
        };
        if (!$exists) {
            throw BadRoute::noSuchHandler($route);
        }
    }

    /** @return array{Closure(): callable, list<Argument>} */
    private function plan(mixed $handler): array
    {
        $function = match (true) {
            $handler instanceof Closure => new ReflectionFunction($handler),
            is_array($handler) => new ReflectionMethod($handler[0], $handler[1]),
            default => new ReflectionMethod($handler, '__invoke'),
        };
        $target = match (true) {
            is_string($handler) => fn (): callable => $this->container->get($handler),
            is_array($handler) && is_string($handler[0]) && !$function->isStatic()
                => fn (): callable => [$this->container->get($handler[0]), $handler[1]],
            default => static fn (): callable => $handler,
        };
        $signature = [];
        foreach ($function->getParameters() as $parameter) {
            if (!$parameter->isVariadic()) {
                $signature[] = new Argument($parameter);
            }
        }
        return [$target, $signature];
    }
}
