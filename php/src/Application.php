<?php

declare(strict_types=1);

namespace Lyger;

use Lyger\Container\Container;
use Lyger\Http\Request;
use Lyger\Http\Response;
use Lyger\Routing\Route;
use Lyger\Routing\Router;
use Lyger\Server\Runner;

/**
 * An application: its container, its router, its middleware. What bootstrap.php returns.
 *
 *     $app = Application::create(__DIR__);
 *     $app->container()->singleton(Db::class, fn () => Db::connect('sqlite:' . __DIR__ . '/shop.sqlite'));
 *     return $app->routes(__DIR__ . '/routes.php');
 */
final class Application
{
    private readonly Container $container;
    private readonly Router $router;

    private function __construct(private readonly string $root)
    {
        $this->container = new Container();
        $this->router = new Router($this->container);
        $this->container->instance(self::class, $this)->instance(Router::class, $this->router);
        Route::setRouter($this->router);
    }

    /** @param string $root the application's folder */
    public static function create(string $root): self
    {
        return new self($root);
    }

    public function container(): Container
    {
        return $this->container;
    }

    public function router(): Router
    {
        return $this->router;
    }

    public function root(): string
    {
        return $this->root;
    }

    /** Reads a routes file; it uses the Route facade, or $router. */
    public function routes(string $file): self
    {
        Route::setRouter($this->router);
        (static function (Router $router, string $file): void {
            require $file;
        })($this->router, $file);
        return $this;
    }

    /** Middleware for every request. */
    public function middleware(string|object ...$middleware): self
    {
        $this->router->middleware(...$middleware);
        return $this;
    }

    public function handle(Request $request): Response
    {
        // Also before: exit() in a handler skips what comes after it.
        $this->container->endRequest();
        try {
            return $this->router->dispatch($request);
        } finally {
            $this->container->endRequest();
        }
    }

    /** Answers the request that PHP itself received: the last line of a front controller under php-fpm. */
    public function run(): void
    {
        $runner = new Runner($this->handle(...), Config::resolve()->bool('debug'), false);
        $runner->run(Request::fromGlobals())->emit();
    }
}
