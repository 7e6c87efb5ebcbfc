<?php

declare(strict_types=1);

namespace Lyger\Routing;

use Lyger\Exception\LygerException;

/** A mistake in the route table, found when it is built. */
final class BadRoute extends LygerException
{
    public static function because(Definition $route, string $reason): self
    {
        return new self(implode('|', $route->methods()) . " {$route->pattern()}: $reason", null, $route->pattern());
    }

    public static function noSuchHandler(Definition $route): self
    {
        return self::because($route, "there is no handler {$route->handlerName()}");
    }

    public static function duplicateName(Definition $route): self
    {
        return self::because($route, "another route has the name \"{$route->routeName()}\" already");
    }

    public static function unknownName(string $name): self
    {
        return new self("no route has the name \"$name\"", null, $name);
    }

    public static function missingParam(string $name, string $param): self
    {
        return new self("the route \"$name\" needs the parameter \"$param\"", null, $param);
    }

    public static function paramMismatch(string $name, string $param, string $value, string $regex): self
    {
        return new self("\"$value\" is no \"$param\" of the route \"$name\", which wants $regex", null, $value);
    }
}
