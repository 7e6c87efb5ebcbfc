<?php

declare(strict_types=1);

namespace Lyger\Tests\Routing;

use Lyger\Http\ArraySource;
use Lyger\Http\Source;

/** Counts how often it is told that its request must not be run again. */
final class OnceSource implements Source
{
    public int $once = 0;
    private readonly ArraySource $source;

    public function __construct(string $path)
    {
        $this->source = new ArraySource('GET', $path, '');
    }

    public function method(): string
    {
        return $this->source->method();
    }

    public function path(): string
    {
        return $this->source->path();
    }

    public function query(): string
    {
        return '';
    }

    public function header(string $name): ?string
    {
        return null;
    }

    public function headers(): array
    {
        return [];
    }

    public function body(): string
    {
        return '';
    }

    public function clientAddress(): string
    {
        return '127.0.0.1';
    }

    public function clientPort(): int
    {
        return 0;
    }

    public function scheme(): string
    {
        return 'http';
    }

    public function protocolVersion(): string
    {
        return '1.1';
    }

    public function once(): void
    {
        $this->once++;
    }
}
