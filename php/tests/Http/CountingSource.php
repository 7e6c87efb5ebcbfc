<?php

declare(strict_types=1);

namespace Lyger\Tests\Http;

use Lyger\Http\Source;

final class CountingSource implements Source
{
    /** @var array<string, int> */
    public array $asked = [];

    public function method(): string
    {
        return $this->count('method');
    }

    public function path(): string
    {
        return $this->count('path');
    }

    public function query(): string
    {
        return $this->count('query');
    }

    public function header(string $name): ?string
    {
        return $this->count('header');
    }

    public function headers(): array
    {
        $this->count('headers');
        return [];
    }

    public function body(): string
    {
        return $this->count('body');
    }

    public function clientAddress(): string
    {
        return $this->count('clientAddress');
    }

    public function clientPort(): int
    {
        $this->count('clientPort');
        return 0;
    }

    public function scheme(): string
    {
        return $this->count('scheme');
    }

    public function protocolVersion(): string
    {
        return $this->count('protocolVersion');
    }

    public function once(): void
    {
        $this->count('once');
    }

    private function count(string $part): string
    {
        $this->asked[$part] = ($this->asked[$part] ?? 0) + 1;
        return $part;
    }
}
