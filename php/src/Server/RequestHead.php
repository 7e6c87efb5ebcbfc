<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;

/**
 * The request line and the headers of one request.
 *
 * What is refused here is what the native front refuses (hyper, then rust/front/judge.rs), in its order and with
 * its status: php/tests/Server/ParsingTest.php holds both to one table.
 */
final class RequestHead
{
    private const REQUEST_LINE = '/^([!#$%&\'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP\/(1\.[01])$/D';
    private const HEADER_LINE = '/^([!#$%&\'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([^\x00-\x08\x0a-\x1f\x7f]*?)[\t ]*$/D';
    private const HOST = '/^(?:\[[0-9a-fA-F:.]*\]|[\w.~!$&\'()*+,;=%-]*)(?::0*(\d{0,5}))?$/D';
    /** Scheme and host of an absolute target. */
    private const ORIGIN = '~^https?://(?:\[[0-9A-Fa-f:.]+\]|[!$&-.0-;=@-Z_a-z\~])+(?=[/?#]|$)~i';
    /** As hyper has it: more than RFC 3986 allows, and no quotation marks in a query. */
    private const PATH = '~^(?:/[^<>`]*|\*)$~D';
    private const QUERY = '~^[^"<>]*$~D';

    /** @param list<array{string, string}> $headers with names in lower case */
    private function __construct(
        public readonly string $method,
        public readonly string $path,
        public readonly string $query,
        public readonly string $version,
        public readonly array $headers,
        private readonly int $length,
    ) {
    }

    /** @throws Refused */
    public static function parse(string $head, Config $config): self
    {
        // RFC 9112, 2.2 lets a recipient take a bare LF for a line's end: hyper does.
        $lines = preg_split('/\r?\n/', $head) ?: [];
        [$method, $target, $version] = self::requestLine((string) array_shift($lines));
        if (count($lines) > $config->int('header_count_max')) {
            throw Refused::with(431);
        }
        $headers = self::headers($lines);
        $length = self::length($headers, $version);
        [$path, $query] = $target;
        if (strlen($path) + ($query === null ? 0 : 1 + strlen($query)) > $config->int('uri_bytes_max')) {
            throw Refused::with(414);
        }
        if ($method === 'CONNECT') {
            throw Refused::with(405);
        }
        if ($path === '*' && $method !== 'OPTIONS') {
            throw Refused::with(400);
        }
        $encodings = self::values($headers, 'transfer-encoding');
        if ($encodings !== [] && strtolower(implode(',', $encodings)) !== 'chunked') {
            throw Refused::with(501);
        }
        $hosts = self::values($headers, 'host');
        if (count($hosts) > 1 || ($hosts === [] && $version === '1.1') || !self::isHost($hosts[0] ?? '')) {
            throw Refused::with(400);
        }
        return new self($method, $path, $query ?? '', $version, $headers, $length);
    }

    /** A host's name or address, perhaps with a port, or empty: applications write it into links. */
    private static function isHost(string $text): bool
    {
        return preg_match(self::HOST, $text, $host) === 1 && (int) ($host[1] ?? '') <= 65_535;
    }

    /**
     * Refuses what is no request line, which needn't wait for the rest of the head.
     *
     * @return array{string, array{string, ?string}, string} method, path and query, version
     * @throws Refused
     */
    public static function requestLine(string $text): array
    {
        if (preg_match(self::REQUEST_LINE, $text, $line) !== 1) {
            throw Refused::with(400);
        }
        [, $method, $target, $version] = $line;
        if ($method === 'CONNECT') {
            return [$method, ['/', null], $version];
        }
        $target = preg_replace(self::ORIGIN, '', $target, 1, $isAbsolute) ?? '';
        [$path, $query] = explode('?', explode('#', $target, 2)[0], 2) + [1 => null];
        $path = $path === '' && $isAbsolute === 1 ? '/' : $path;
        if (
            preg_match('//u', $target) !== 1
            || preg_match(self::PATH, $path) !== 1
            || preg_match(self::QUERY, $query ?? '') !== 1
        ) {
            throw Refused::with(400);
        }
        return [$method, [$path, $query], $version];
    }

    /**
     * @param list<string> $lines of the head or after the last chunk
     * @return list<array{string, string}>
     * @throws Refused
     */
    public static function headers(array $lines): array
    {
        $headers = [];
        foreach ($lines as $text) {
            if (preg_match(self::HEADER_LINE, $text, $header) !== 1) {
                throw Refused::with(400);
            }
            $name = strtolower($header[1]);
            // Several lengths are equal, or refused.
            if ($name !== 'content-length' || self::values($headers, $name) === []) {
                $headers[] = [$name, $header[2]];
            } elseif (ltrim(self::values($headers, $name)[0], '0') !== ltrim($header[2], '0')) {
                throw Refused::with(400);
            }
        }
        return $headers;
    }

    public function isChunked(): bool
    {
        return self::values($this->headers, 'transfer-encoding') !== [];
    }

    public function bodyBytes(): int
    {
        return $this->length;
    }

    public function expectsContinue(): bool
    {
        $expected = self::values($this->headers, 'expect')[0] ?? '';
        return strtolower($expected) === '100-continue' && $this->version === '1.1';
    }

    /**
     * The body's announced length. Two ways to frame one body are how requests are smuggled (RFC 9112, 6.3).
     *
     * @param list<array{string, string}> $headers
     * @throws Refused
     */
    private static function length(array $headers, string $version): int
    {
        $length = self::values($headers, 'content-length')[0] ?? null;
        $encodings = self::values($headers, 'transfer-encoding');
        $codings = explode(',', strtolower(implode(',', $encodings)));
        $isSound = $length === null
            ? $encodings === [] || ($version === '1.1' && trim(end($codings), " \t") === 'chunked')
            : $encodings === [] && ctype_digit($length);
        $digits = ltrim($length ?? '', '0');
        // Beyond 64 bits it is no number, below it is merely too large.
        if (!$isSound || strlen($digits) > 20 || (strlen($digits) === 20 && $digits > '18446744073709551613')) {
            throw Refused::with(400);
        }
        return strlen($digits) > 18 ? PHP_INT_MAX : (int) $digits;
    }

    /**
     * @param list<array{string, string}> $headers
     * @return list<string>
     */
    private static function values(array $headers, string $name): array
    {
        $values = [];
        foreach ($headers as [$key, $value]) {
            if ($key === $name) {
                $values[] = $value;
            }
        }
        return $values;
    }
}
