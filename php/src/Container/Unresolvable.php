<?php

declare(strict_types=1);

namespace Lyger\Container;

use Lyger\Exception\LygerException;
use Psr\Container\ContainerExceptionInterface;
use ReflectionMethod;
use ReflectionParameter;

/** The container knows what is wanted but cannot build it. */
final class Unresolvable extends LygerException implements ContainerExceptionInterface
{
    /** @param list<string> $building */
    public static function cycle(array $building, string $id): self
    {
        $from = (int) array_search($id, $building, true);
        $circle = implode(' -> ', [...array_slice($building, $from), $id]);
        return new self("these need each other to be built: $circle", null, $id);
    }

    public static function unbound(string $id): self
    {
        return new self("$id is an interface: bind it to a class, \$container->bind($id::class, ...)", null, $id);
    }

    public static function notInstantiable(string $class): self
    {
        return new self("$class is abstract or hides its constructor: bind it to a factory", null, $class);
    }

    public static function parameter(ReflectionParameter $parameter): self
    {
        $function = $parameter->getDeclaringFunction();
        $owner = $function instanceof ReflectionMethod ? "{$function->class}::" : '';
        return new self(
            "no value for \${$parameter->getName()} of $owner{$function->getName()}(): it has neither a class type nor "
            . 'a default; bind the class to a factory',
            null,
            $parameter->getName(),
        );
    }
}
