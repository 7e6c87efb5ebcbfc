<?php

declare(strict_types=1);

namespace Lyger\Http;

/** A request whose parts are already PHP values: the stream server's, and those that tests make. */
final class ArraySource implements Source
{
    /** @var array<string, string>|null by lower-case name */
    private ?array $byName = null;

    /** @param list<array{string, string}> $headers */
    public function __construct(
        private readonly string $method,
        private readonly string $path,
        private readonly string $query,
        private readonly array $headers = [],
        private readonly string $body = '',
        private readonly string $clientAddress = '127.0.0.1',
        private readonly int $clientPort = 0,
        private readonly string $scheme = 'http',
        private readonly string $protocolVersion = '1.1',
    ) {
    }

    public function method(): string
    {
        return $this->method;
    }

    public function path(): string
    {
        return $this->path;
    }

    public function query(): string
    {
        return $this->query;
    }

    public function header(string $name): ?string
    {
        if ($this->byName === null) {
            $this->byName = [];
            foreach ($this->headers as [$key, $value]) {
                $key = strtolower($key);
                $this->byName[$key] = isset($this->byName[$key]) ? "{$this->byName[$key]}, $value" : $value;
            }
        }
        return $this->byName[$name] ?? null;
    }

    public function headers(): array
    {
        return $this->headers;
    }

    public function body(): string
    {
        return $this->body;
    }

    public function clientAddress(): string
    {
        return $this->clientAddress;
    }

    public function clientPort(): int
    {
        return $this->clientPort;
    }

    public function scheme(): string
    {
        return $this->scheme;
    }

    public function protocolVersion(): string
    {
        return $this->protocolVersion;
    }

    public function once(): void
    {
        // Nobody runs it again.
    }
}
