<?php

declare(strict_types=1);

namespace Lyger\Routing;

use FastRoute\RouteParser\Std;

/** Builds the paths of named routes. */
final class Urls
{
    /** @var array<string, string> pattern by name */
    private array $patterns = [];

    /** @param list<Definition> $routes */
    public function __construct(array $routes)
    {
        foreach ($routes as $route) {
            $name = $route->routeName();
            if ($name === '') {
                continue;
            }
            if (isset($this->patterns[$name])) {
                throw BadRoute::duplicateName($route);
            }
            $this->patterns[$name] = $route->pattern();
        }
    }

    /** @param array<string, scalar> $params */
    public function url(string $name, array $params): string
    {
        $pattern = $this->patterns[$name] ?? throw BadRoute::unknownName($name);
        $variants = (new Std())->parse($pattern);
        // The longest variant whose parameters are all given; optional segments come last in a pattern.
        foreach (array_reverse($variants) as $nth => $parts) {
            $names = array_column(array_filter($parts, is_array(...)), 0);
            $missing = array_values(array_diff($names, array_keys($params)));
            if ($missing === []) {
                return $this->fill($name, $parts, $names, $params);
            }
            if ($nth === count($variants) - 1) {
                throw BadRoute::missingParam($name, $missing[0]);
            }
        }
        throw BadRoute::unknownName($name);
    }

    /**
     * @param list<string|array{string, string}> $parts
     * @param list<string> $names
     * @param array<string, scalar> $params
     */
    private function fill(string $name, array $parts, array $names, array $params): string
    {
        $path = '';
        foreach ($parts as $part) {
            if (is_string($part)) {
                $path .= $part;
                continue;
            }
            [$param, $regex] = $part;
            $value = (string) $params[$param];
            if (preg_match("~^(?:$regex)$~D", Path::forMatching(rawurlencode($value))) === 1) {
                $path .= rawurlencode($value);
            } elseif (preg_match("~^(?:$regex)$~D", $value) === 1) {
                $path .= str_replace('%2F', '/', rawurlencode($value));
            } else {
                throw BadRoute::paramMismatch($name, $param, $value, $regex);
            }
        }
        $query = http_build_query(array_diff_key($params, array_flip($names)), '', '&', PHP_QUERY_RFC3986);
        return $query === '' ? $path : "$path?$query";
    }
}
