<?php

declare(strict_types=1);

namespace Lyger\Routing;

use Closure;

/**
 * One route: what Router::get() and its like return, so that a name, middleware and patterns can follow.
 *
 *     $router->get('/products/{id}', [ProductController::class, 'show'])->where('id', '\d+')->name('product');
 */
final class Definition
{
    private string $name = '';
    /** @var array<string, string> */
    private array $patterns = [];

    /**
     * @param list<string> $methods
     * @param Closure|array{class-string|object, string}|class-string|object $handler
     * @param list<class-string|object> $middleware
     * @param Closure(): void $changed called when the compiled table is stale
     */
    public function __construct(
        private readonly array $methods,
        private readonly string $pattern,
        private readonly array|string|object $handler,
        private array $middleware,
        private readonly Closure $changed,
        private bool $once = false,
    ) {
    }

    public function name(string $name): self
    {
        ($this->changed)();
        $this->name = $name;
        return $this;
    }

    /**
     * A GET or HEAD whose worker is killed is tried once more on another worker. One of this route is not: its client
     * gets 502.
     */
    public function once(): self
    {
        $this->once = true;
        return $this;
    }

    /** Adds middleware, inside that of the route's groups. */
    public function middleware(string|object ...$middleware): self
    {
        array_push($this->middleware, ...array_values($middleware));
        return $this;
    }

    /** Restricts a parameter to a regular expression: the same as {id:\d+} in the pattern. */
    public function where(string $param, string $regex): self
    {
        ($this->changed)();
        $this->patterns[$param] = $regex;
        return $this;
    }

    /** @return list<string> upper case; '*' stands for every method */
    public function methods(): array
    {
        return $this->methods;
    }

    /** The pattern in FastRoute's syntax, with those of where() filled in. */
    public function pattern(): string
    {
        $pattern = $this->pattern;
        foreach ($this->patterns as $param => $regex) {
            $pattern = str_replace('{' . $param . '}', '{' . "$param:$regex}", $pattern);
        }
        return $pattern;
    }

    public function handler(): mixed
    {
        return $this->handler;
    }

    public function isOnce(): bool
    {
        return $this->once;
    }

    public function routeName(): string
    {
        return $this->name;
    }

    /** @return list<class-string|object> */
    public function routeMiddleware(): array
    {
        return $this->middleware;
    }

    /** The handler in words, for `rawr routes`. */
    public function handlerName(): string
    {
        $handler = $this->handler;
        return match (true) {
            $handler instanceof Closure => 'closure',
            is_array($handler) => (is_object($handler[0]) ? $handler[0]::class : $handler[0]) . '::' . $handler[1],
            is_object($handler) => $handler::class,
            default => $handler,
        };
    }
}
