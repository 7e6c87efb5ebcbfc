<?php

declare(strict_types=1);

namespace Lyger\Routing;

/** What the routes of a group share. */
final class Group
{
    /** @param list<class-string|object> $middleware */
    public function __construct(
        private readonly string $prefix = '',
        public readonly array $middleware = [],
        public readonly bool $once = false,
    ) {
    }

    /** @param list<class-string|object> $middleware */
    public function inner(string $prefix, array $middleware, bool $once): self
    {
        $middleware = [...$this->middleware, ...$middleware];
        return new self(rtrim($this->pattern($prefix), '/'), $middleware, $this->once || $once);
    }

    /** '' and '/' inside a group are the group's own path; '[/{id}]' continues it. */
    public function pattern(string $pattern): string
    {
        if (str_starts_with($pattern, '[')) {
            return $this->prefix . $pattern;
        }
        $pattern = '/' . ltrim($pattern, '/');
        return $pattern === '/' && $this->prefix !== '' ? $this->prefix : $this->prefix . $pattern;
    }
}
