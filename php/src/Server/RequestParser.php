<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;
use Lyger\Http\ArraySource;

/**
 * One HTTP/1 request out of the bytes of a connection (RFC 9112). What two parsers could read differently is 400.
 */
final class RequestParser
{
    private const CHUNK_LINE = '/^([0-9a-fA-F]{1,8})[\t ]*(;[^\x00-\x08\x0a-\x1f]*)?$/D';

    private string $bytes = '';
    private ?RequestHead $head = null;
    private string $body = '';
    private bool $chunkedEnds = false;

    public function __construct(private readonly Config $config)
    {
    }

    /** @throws Refused */
    public function feed(string $bytes): void
    {
        $this->bytes .= $bytes;
        if ($this->head === null) {
            $this->readHead();
        }
        if ($this->head !== null) {
            $this->head->isChunked() ? $this->readChunks() : $this->readBody();
        }
    }

    public function hasBegun(): bool
    {
        return $this->bytes !== '' || $this->head !== null;
    }

    public function hasHead(): bool
    {
        return $this->head !== null;
    }

    public function isComplete(): bool
    {
        return $this->head !== null
            && ($this->head->isChunked() ? $this->chunkedEnds : strlen($this->body) === $this->head->bodyBytes());
    }

    /** Whether the client waits for "100 Continue" before it sends the body. */
    public function expectsContinue(): bool
    {
        return $this->head !== null && $this->head->expectsContinue() && $this->body === '' && !$this->isComplete();
    }

    public function method(): string
    {
        return $this->head?->method ?? '';
    }

    public function source(string $peerAddress, int $peerPort, Proxies $proxies): ArraySource
    {
        $head = $this->head ?? throw Refused::with(400);
        [$clientAddress, $clientPort, $scheme] = $proxies->client($peerAddress, $peerPort, $head->headers);
        return new ArraySource(
            $head->method,
            $head->path,
            $head->query,
            $head->headers,
            $this->body,
            $clientAddress,
            $clientPort,
            $scheme,
            $head->version,
        );
    }

    private function readHead(): void
    {
        $this->bytes = ltrim($this->bytes, "\r\n"); // RFC 9112, section 2.2: empty lines before the request line
        $end = strpos($this->bytes, "\r\n\r\n");
        $line = strstr($this->bytes, "\r\n", true);
        $uriBytesMax = $this->config->int('uri_bytes_max');
        // The method and the version take no more than 32 bytes beside the target.
        if (strlen($line === false ? $this->bytes : $line) > $uriBytesMax + 32) {
            throw Refused::with(414);
        }
        if (($end === false ? strlen($this->bytes) : $end) > $this->config->int('head_bytes_max')) {
            throw Refused::with(431);
        }
        if ($end === false) {
            return;
        }
        $this->head = RequestHead::parse(substr($this->bytes, 0, $end), $this->config);
        $this->bytes = substr($this->bytes, $end + 4);
        if ($this->head->bodyBytes() > $this->config->int('body_bytes_max')) {
            throw Refused::with(413);
        }
    }

    private function readBody(): void
    {
        $wanted = ($this->head?->bodyBytes() ?? 0) - strlen($this->body);
        $this->body .= substr($this->bytes, 0, $wanted);
        $this->bytes = substr($this->bytes, $wanted);
    }

    private function readChunks(): void
    {
        while (!$this->chunkedEnds && ($lineEnd = strpos($this->bytes, "\r\n")) !== false) {
            if (preg_match(self::CHUNK_LINE, substr($this->bytes, 0, $lineEnd), $size) !== 1) {
                throw Refused::with(400);
            }
            $bytes = (int) hexdec($size[1]);
            if (strlen($this->body) + $bytes > $this->config->int('body_bytes_max')) {
                throw Refused::with(413);
            }
            if ($bytes === 0) {
                $this->readTrailers($lineEnd);
                return;
            }
            if (strlen($this->bytes) < $lineEnd + 2 + $bytes + 2) {
                return;
            }
            if (substr($this->bytes, $lineEnd + 2 + $bytes, 2) !== "\r\n") {
                throw Refused::with(400);
            }
            $this->body .= substr($this->bytes, $lineEnd + 2, $bytes);
            $this->bytes = substr($this->bytes, $lineEnd + 2 + $bytes + 2);
        }
        if (!$this->chunkedEnds && strlen($this->bytes) > 256 && !str_contains(substr($this->bytes, 0, 256), "\r\n")) {
            throw Refused::with(400);
        }
    }

    private function readTrailers(int $lineEnd): void
    {
        $end = strpos($this->bytes, "\r\n\r\n", $lineEnd);
        $this->chunkedEnds = $end !== false;
        if (!$this->chunkedEnds && strlen($this->bytes) > $this->config->int('head_bytes_max')) {
            throw Refused::with(431);
        }
    }
}
