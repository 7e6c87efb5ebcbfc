<?php

declare(strict_types=1);

namespace Lyger\Middleware;

use Closure;
use Lyger\Container\Container;
use Lyger\Exception\InvalidArgument;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Psr\Http\Server\MiddlewareInterface;

/**
 * Sends a request through middleware, the first one outermost.
 *
 * Middleware is given as an object or a class name (built by the container for each request, so that it keeps no
 * state), as a Lyger or a PSR-15 middleware, or as a closure with the signature of Middleware::handle.
 */
final class Pipeline
{
    public function __construct(private readonly Container $container)
    {
    }

    /**
     * @param list<class-string|object> $middleware
     * @param callable(Request): Response $last
     */
    public function send(Request $request, array $middleware, callable $last): Response
    {
        $next = Closure::fromCallable($last);
        foreach (array_reverse($middleware) as $entry) {
            $next = fn (Request $request): Response => $this->enter($entry, $request, $next);
        }
        return $next($request);
    }

    /** @param Closure(Request): Response $next */
    private function enter(string|object $entry, Request $request, Closure $next): Response
    {
        $middleware = is_string($entry) ? $this->container->get($entry) : $entry;
        return match (true) {
            $middleware instanceof Middleware => $middleware->handle($request, $next),
            $middleware instanceof MiddlewareInterface => (new Psr15($middleware))->handle($request, $next),
            $middleware instanceof Closure => $middleware($request, $next),
            default => throw InvalidArgument::because(
                get_debug_type($middleware) . ' is no middleware: it implements neither ' . Middleware::class
                . ' nor PSR-15'
            ),
        };
    }
}
