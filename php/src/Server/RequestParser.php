<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;
use Lyger\Http\ArraySource;

/**
 * One HTTP/1 request out of the bytes of a connection (RFC 9112), as the native front reads it.
 */
final class RequestParser
{
    private const CHUNK_LINE = '/^([0-9a-fA-F]+)[\t ]*(?:;[^\r\n]*)?\r$/D';
    /** What a chunk's line may be before its end has come. */
    private const CHUNK_LINE_BEGUN = '/^(?:[0-9a-fA-F]+[\t ]*(?:;[^\r\n]*)?\r?)?$/D';
    /** hyper's limit for what stands behind the sizes. */
    private const CHUNK_LINE_BYTES_MAX = 16_384;
    /** See CHUNK_DIGITS_MAX in rust/front/http/framing.rs. */
    private const CHUNK_DIGITS_MAX = 15;

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
        // RFC 9112, section 2.2: empty lines before the request line.
        $this->bytes = preg_replace('/^(?:\r?\n)+/', '', $this->bytes) ?? '';
        $hasEnd = preg_match('/\r?\n\r?\n/', $this->bytes, $match, PREG_OFFSET_CAPTURE) === 1;
        [$gap, $end] = $hasEnd ? $match[0] : ['', strlen($this->bytes)];
        $line = strstr($this->bytes, "\n", true);
        if ($end > $this->config->int('head_bytes_max')) {
            // A request line that never ended was too long for its own limit, whatever else it was.
            throw Refused::with($line === false && $end > $this->config->int('uri_bytes_max') ? 414 : 431);
        }
        if (!$hasEnd) {
            if ($line !== false) {
                RequestHead::requestLine(preg_replace('/\r$/D', '', $line) ?? '');
            }
            return;
        }
        $this->head = RequestHead::parse(substr($this->bytes, 0, $end), $this->config);
        $this->bytes = substr($this->bytes, $end + strlen($gap));
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
        while (($end = strpos($this->bytes, "\n")) !== false) {
            $bytes = $this->chunkBytes(substr($this->bytes, 0, $end));
            if ($bytes === 0) {
                $this->readTrailers($end + 1);
                return;
            }
            $gap = substr($this->bytes, $end + 1 + $bytes, 2);
            if (!str_starts_with("\r\n", $gap)) {
                throw Refused::with(400);
            }
            if ($gap !== "\r\n") {
                return;
            }
            $this->body .= substr($this->bytes, $end + 1, $bytes);
            $this->bytes = substr($this->bytes, $end + 1 + $bytes + 2);
        }
        if (
            strlen($this->bytes) > self::CHUNK_LINE_BYTES_MAX
            || preg_match(self::CHUNK_LINE_BEGUN, $this->bytes) !== 1
        ) {
            throw Refused::with(400);
        }
    }

    private function chunkBytes(string $line): int
    {
        if (preg_match(self::CHUNK_LINE, $line, $size) !== 1) {
            throw Refused::with(400);
        }
        $digits = ltrim($size[1], '0');
        if (strlen($digits) > self::CHUNK_DIGITS_MAX) {
            throw Refused::with(400);
        }
        $bytes = (int) hexdec($digits);
        if (strlen($this->body) + $bytes > $this->config->int('body_bytes_max')) {
            throw Refused::with(413);
        }
        return $bytes;
    }

    private function readTrailers(int $start): void
    {
        for ($line = $start; ($end = strpos($this->bytes, "\n", $line)) !== false; $line = $end + 1) {
            if (($this->bytes[$end - 1] ?? '') !== "\r") {
                throw Refused::with(400);
            }
            if ($end - 1 === $line) {
                $trailers = explode("\r\n", substr($this->bytes, $start, max(0, $line - $start - 2)));
                RequestHead::headers($line === $start ? [] : $trailers);
                $this->chunkedEnds = true;
                return;
            }
        }
        if (strlen($this->bytes) - $start > $this->config->int('head_bytes_max')) {
            throw Refused::with(400);
        }
    }
}
