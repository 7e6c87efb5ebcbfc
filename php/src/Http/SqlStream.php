<?php

declare(strict_types=1);

namespace Lyger\Http;

use Psr\Http\Message\StreamInterface;
use RuntimeException;

/**
 * A SqlResponse's body as a PSR-7 stream: the statement runs when somebody reads, and not before.
 *
 * Parameters have no types and results have, which satisfies both psr/http-message 1 and 2.
 */
final class SqlStream implements StreamInterface
{
    private int $position = 0;

    public function __construct(private readonly SqlResponse $response)
    {
    }

    public function response(): SqlResponse
    {
        return $this->response;
    }

    public function __toString(): string
    {
        return $this->response->body();
    }

    public function close(): void
    {
    }

    public function detach()
    {
        return null;
    }

    /** Unknown while the statement hasn't run. */
    public function getSize(): ?int
    {
        return $this->response->isPending() ? null : strlen($this->response->body());
    }

    public function tell(): int
    {
        return $this->position;
    }

    public function eof(): bool
    {
        return !$this->response->isPending() && $this->position >= strlen($this->response->body());
    }

    public function isSeekable(): bool
    {
        return true;
    }

    public function seek($offset, $whence = SEEK_SET): void
    {
        $position = match ($whence) {
            SEEK_CUR => $this->position + $offset,
            SEEK_END => strlen($this->response->body()) + $offset,
            default => $offset,
        };
        if ($position < 0) {
            throw new RuntimeException('cannot seek before the start');
        }
        $this->position = $position;
    }

    public function rewind(): void
    {
        $this->position = 0;
    }

    public function isWritable(): bool
    {
        return false;
    }

    public function write($string): int
    {
        throw new RuntimeException('the rows of a statement cannot be written to');
    }

    public function isReadable(): bool
    {
        return true;
    }

    public function read($length): string
    {
        $bytes = substr($this->response->body(), $this->position, $length);
        $this->position += strlen($bytes);
        return $bytes;
    }

    public function getContents(): string
    {
        $bytes = substr($this->response->body(), $this->position);
        $this->position += strlen($bytes);
        return $bytes;
    }

    public function getMetadata($key = null)
    {
        return $key === null ? [] : null;
    }
}
