<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI\CData;
use Lyger\Exception\InvalidHandle;
use Lyger\Http\Source;

/**
 * A request in the engine's memory. Method, path and query came with it; the rest is copied when it is asked for, and
 * not after the answer: the id is stale then, and InvalidHandle says so.
 */
final class NativeSource implements Source
{
    public function __construct(
        private readonly Abi $abi,
        public readonly int $id,
        private readonly string $method,
        private readonly string $path,
        private readonly string $query,
        private readonly int $bodyBytes,
    ) {
    }

    /** Whether it is GET /, which the engine's own root handler takes when no route does. */
    public function isRoot(): bool
    {
        return $this->path === '/' && ($this->method === 'GET' || $this->method === 'HEAD');
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
        return $this->find(RequestPart::Header, $name);
    }

    public function headers(): array
    {
        $packed = $this->read(RequestPart::Headers);
        if ($packed === '') {
            return [];
        }
        // name NUL value NUL ...: the last NUL closes the last value.
        return array_chunk(explode("\0", substr($packed, 0, -1)), 2);
    }

    public function body(): string
    {
        return $this->bodyBytes === 0 ? '' : $this->read(RequestPart::Body);
    }

    public function clientAddress(): string
    {
        return $this->read(RequestPart::ClientAddress);
    }

    public function clientPort(): int
    {
        return (int) $this->read(RequestPart::ClientPort);
    }

    public function scheme(): string
    {
        return $this->read(RequestPart::Scheme);
    }

    public function protocolVersion(): string
    {
        return $this->read(RequestPart::Version);
    }

    public function once(): void
    {
        try {
            $this->abi->check($this->abi->ffi->lyger_request_once($this->id));
        } catch (InvalidHandle) {
            // It is over for its client already, and so it won't be run again.
        }
    }

    private function read(RequestPart $part): string
    {
        return $this->find($part, '') ?? '';
    }

    private function find(RequestPart $part, string $name): ?string
    {
        $ffi = $this->abi->ffi;
        return $this->abi->find(
            fn (CData $buffer, int $bytes, CData $needed): int
                => $ffi->lyger_request_read($this->id, $part->value, $name, strlen($name), $buffer, $bytes, $needed)
        );
    }
}
