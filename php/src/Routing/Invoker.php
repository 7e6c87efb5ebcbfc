<?php

declare(strict_types=1);

namespace Lyger\Routing;

use BackedEnum;
use Closure;
use Lyger\Container\Container;
use Lyger\Http\HttpException;
use Lyger\Http\Request;
use ReflectionFunction;
use ReflectionFunctionAbstract;
use ReflectionMethod;
use ReflectionNamedType;
use ReflectionParameter;
use WeakMap;

/** Calls a route's handler with what its parameters ask for. Controllers are built anew for each request. */
final class Invoker
{
    /** @var WeakMap<Definition, list<array{ReflectionParameter, string}>> parameters with the names of their types */
    private WeakMap $signatures;

    public function __construct(private readonly Container $container)
    {
        $this->signatures = new WeakMap();
    }

    public function call(Definition $route, Request $request): mixed
    {
        $signature = $this->signatures[$route] ??= $this->signature($route);
        $params = $request->params();
        $arguments = [];
        foreach ($signature as [$parameter, $type]) {
            $name = $parameter->getName();
            if ($type === Request::class) {
                $arguments[] = $request;
            } elseif (isset($params[$name])) {
                $arguments[] = self::convert($params[$name], $type);
            } elseif (!$parameter->isVariadic()) {
                $arguments[] = $this->container->argument($parameter);
            }
        }
        return $this->target($route)(...$arguments);
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

    private function target(Definition $route): callable
    {
        $handler = $route->handler();
        return match (true) {
            $handler instanceof Closure => $handler,
            is_array($handler) && is_string($handler[0]) && !self::isStatic($handler)
                => [$this->container->get($handler[0]), $handler[1]],
            is_string($handler) => $this->container->get($handler),
            default => $handler,
        };
    }

    /** @return list<array{ReflectionParameter, string}> */
    private function signature(Definition $route): array
    {
        $signature = [];
        foreach (self::reflect($route->handler())->getParameters() as $parameter) {
            $type = $parameter->getType();
            $signature[] = [$parameter, $type instanceof ReflectionNamedType ? $type->getName() : ''];
        }
        return $signature;
    }

    private static function reflect(mixed $handler): ReflectionFunctionAbstract
    {
        return match (true) {
            $handler instanceof Closure => new ReflectionFunction($handler),
            is_array($handler) => new ReflectionMethod($handler[0], $handler[1]),
            default => new ReflectionMethod($handler, '__invoke'),
        };
    }

    /** @param array{class-string, string} $handler */
    private static function isStatic(array $handler): bool
    {
        return (new ReflectionMethod($handler[0], $handler[1]))->isStatic();
    }

    /** A value that isn't of its type means that nothing lives at this path. */
    private static function convert(string $value, string $type): mixed
    {
        return match (true) {
            $type === 'int' => (string) (int) $value === $value ? (int) $value : throw HttpException::notFound(),
            $type === 'float' => preg_match('/^-?\d+(\.\d+)?$/D', $value) === 1 && is_finite((float) $value)
                ? (float) $value
                : throw HttpException::notFound(),
            $type === 'bool' => match ($value) {
                '1', 'true' => true,
                '0', 'false' => false,
                default => throw HttpException::notFound(),
            },
            is_subclass_of($type, BackedEnum::class) => self::enum($value, $type),
            default => $value,
        };
    }

    /** @param class-string<BackedEnum> $enum */
    private static function enum(string $value, string $enum): BackedEnum
    {
        foreach ($enum::cases() as $case) {
            if ((string) $case->value === $value) {
                return $case;
            }
        }
        throw HttpException::notFound();
    }
}
