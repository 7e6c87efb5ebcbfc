<?php

declare(strict_types=1);

namespace Lyger\Routing;

use BadMethodCallException;
use Closure;
use Lyger\Exception\ServerFailed;

/**
 * The application's router, by short static calls in its routes file:
 *
 *     Route::get('/products/{id}', [ProductController::class, 'show'])->name('product');
 *
 * @method static Definition get(string $pattern, array|string|object $handler)
 * @method static Definition post(string $pattern, array|string|object $handler)
 * @method static Definition put(string $pattern, array|string|object $handler)
 * @method static Definition patch(string $pattern, array|string|object $handler)
 * @method static Definition delete(string $pattern, array|string|object $handler)
 * @method static Definition options(string $pattern, array|string|object $handler)
 * @method static Definition any(string $pattern, array|string|object $handler)
 * @method static Definition match(list<string> $methods, string $pattern, array|string|object $handler)
 * @method static void group(string $prefix, Closure $define, array $middleware = [], bool $once = false)
 * @method static Router middleware(string|object ...$middleware)
 * @method static string url(string $name, array $params = [])
 */
final class Route
{
    private static ?Router $router = null;

    public static function setRouter(Router $router): void
    {
        self::$router = $router;
    }

    /** @param array<mixed> $arguments */
    public static function __callStatic(string $method, array $arguments): mixed
    {
        $router = self::$router ?? throw ServerFailed::because('there is no router yet: Route works in a routes file');
        if (!is_callable([$router, $method])) {
            throw new BadMethodCallException("Route has no method $method");
        }
        return $router->$method(...$arguments);
    }
}
