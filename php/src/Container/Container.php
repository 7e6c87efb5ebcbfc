<?php

declare(strict_types=1);

namespace Lyger\Container;

use Closure;
use Lyger\Server\Task;
use Psr\Container\ContainerInterface;
use ReflectionClass;
use ReflectionFunction;
use ReflectionFunctionAbstract;
use ReflectionMethod;
use ReflectionNamedType;
use ReflectionParameter;
use WeakMap;

/**
 * Finds and builds objects (PSR-11).
 *
 * A class that nobody registered is built by its constructor's types, anew at every get(): in a process that serves
 * many requests, sharing must be asked for. `singleton` lives as long as the process, `scoped` as long as a request.
 */
final class Container implements ContainerInterface
{
    /** @var array<string, array{Closure, Lifetime}> */
    private array $factories = [];
    /** @var array<string, mixed> */
    private array $shared = [];
    /** What belongs to a request, where the process has one at a time. */
    private readonly Scope $alone;
    /** @var WeakMap<Task, Scope> the same of each request of a worker that has several */
    private WeakMap $scopes;
    /** @var array<class-string, list<ReflectionParameter>> looked at once for each class */
    private array $constructors = [];

    public function __construct()
    {
        $this->alone = new Scope();
        $this->scopes = new WeakMap();
        $this->shared[self::class] = $this->shared[ContainerInterface::class] = $this;
    }

    /** A new object for every get(). $concrete: a factory that is given the container, or a class. */
    public function bind(string $id, Closure|string|null $concrete = null): self
    {
        return $this->register($id, $concrete, Lifetime::Never);
    }

    /** One object for the life of the process. */
    public function singleton(string $id, Closure|string|null $concrete = null): self
    {
        return $this->register($id, $concrete, Lifetime::Process);
    }

    /** One object for each request. */
    public function scoped(string $id, Closure|string|null $concrete = null): self
    {
        return $this->register($id, $concrete, Lifetime::Request);
    }

    /** A value that exists already. */
    public function instance(string $id, mixed $value): self
    {
        $this->shared[$id] = $value;
        return $this;
    }

    /**
     * @template T of object
     * @param class-string<T>|string $id
     * @return ($id is class-string<T> ? T : mixed)
     */
    public function get(string $id): mixed
    {
        if (array_key_exists($id, $this->shared)) {
            return $this->shared[$id];
        }
        $scope = $this->scope();
        if (array_key_exists($id, $scope->values)) {
            return $scope->values[$id];
        }
        if (isset($scope->building[$id])) {
            throw Unresolvable::cycle(array_keys($scope->building), $id);
        }
        [$factory, $lifetime] = $this->factories[$id] ?? [null, Lifetime::Never];
        $scope->building[$id] = true;
        try {
            $value = $factory === null ? $this->build($id) : $factory($this);
        } finally {
            unset($scope->building[$id]);
        }
        return match ($lifetime) {
            Lifetime::Never => $value,
            // Another request may have built it while this one waited: there is one.
            Lifetime::Process => $this->shared[$id] ??= $value,
            Lifetime::Request => $scope->values[$id] = $value,
        };
    }

    private function scope(): Scope
    {
        $task = Task::current();
        return $task === null ? $this->alone : $this->scopes[$task] ??= new Scope();
    }

    public function has(string $id): bool
    {
        return array_key_exists($id, $this->shared)
            || isset($this->factories[$id])
            || (class_exists($id) && (new ReflectionClass($id))->isInstantiable());
    }

    /**
     * Calls anything callable; parameters that $named doesn't give are found by their types.
     *
     * @param array<string, mixed> $named
     */
    public function call(callable $callable, array $named = []): mixed
    {
        $function = match (true) {
            is_array($callable) => new ReflectionMethod($callable[0], $callable[1]),
            is_object($callable) && !$callable instanceof Closure => new ReflectionMethod($callable, '__invoke'),
            is_string($callable) && str_contains($callable, '::')
                => new ReflectionMethod(...explode('::', $callable, 2)),
            default => new ReflectionFunction($callable),
        };
        return $callable(...$this->arguments($function, $named));
    }

    /** Forgets what belonged to the request that has just been answered. */
    public function endRequest(): void
    {
        $scope = $this->scope();
        $scope->values = [];
        $scope->building = [];
    }

    private function register(string $id, Closure|string|null $concrete, Lifetime $lifetime): self
    {
        $concrete ??= $id;
        $factory = match (true) {
            $concrete instanceof Closure => $concrete,
            $concrete === $id => fn () => $this->build($id),
            default => fn () => $this->get($concrete),
        };
        unset($this->shared[$id], $this->scope()->values[$id]);
        $this->factories[$id] = [$factory, $lifetime];
        return $this;
    }

    private function build(string $class): object
    {
        $arguments = [];
        foreach ($this->constructors[$class] ??= self::constructor($class) as $parameter) {
            $arguments[] = $this->argument($parameter);
        }
        return new $class(...$arguments);
    }

    /** @return list<ReflectionParameter> */
    private static function constructor(string $class): array
    {
        if (!class_exists($class)) {
            throw interface_exists($class) ? Unresolvable::unbound($class) : NotFound::id($class);
        }
        $reflection = new ReflectionClass($class);
        if (!$reflection->isInstantiable()) {
            throw Unresolvable::notInstantiable($class);
        }
        $parameters = $reflection->getConstructor()?->getParameters() ?? [];
        return array_values(array_filter($parameters, static fn ($parameter): bool => !$parameter->isVariadic()));
    }

    /**
     * @param array<string, mixed> $named
     * @return list<mixed>
     */
    private function arguments(ReflectionFunctionAbstract $function, array $named): array
    {
        $arguments = [];
        foreach ($function->getParameters() as $parameter) {
            if (array_key_exists($parameter->getName(), $named)) {
                $arguments[] = $named[$parameter->getName()];
            } elseif (!$parameter->isVariadic()) {
                $arguments[] = $this->argument($parameter);
            }
        }
        return $arguments;
    }

    /** The value for one parameter, by its type: what the router uses for those that aren't in the route. */
    public function argument(ReflectionParameter $parameter): mixed
    {
        $type = $parameter->getType();
        $class = $type instanceof ReflectionNamedType && !$type->isBuiltin() ? $type->getName() : null;
        if ($class === 'self') {
            $class = $parameter->getDeclaringClass()?->getName();
        }
        // An optional or nullable class that cannot be built falls back; one that is bound but fails doesn't.
        if ($class !== null && ($this->has($class) || !($parameter->isOptional() || $parameter->allowsNull()))) {
            return $this->get($class);
        }
        if ($parameter->isDefaultValueAvailable()) {
            return $parameter->getDefaultValue();
        }
        if ($parameter->allowsNull() && $type !== null) {
            return null;
        }
        throw Unresolvable::parameter($parameter);
    }
}
