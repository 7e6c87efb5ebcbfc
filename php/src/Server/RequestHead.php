<?php

declare(strict_types=1);

namespace Lyger\Server;

use Lyger\Config;

/** The request line and the headers of one request. */
final class RequestHead
{
    private const REQUEST_LINE = '/^([!#$%&\'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(1\.[01])$/D';
    private const HEADER_LINE = '/^([!#$%&\'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([^\x00-\x08\x0a-\x1f\x7f]*?)[\t ]*$/D';

    /** @param list<array{string, string}> $headers with names in lower case, as the native front has them */
    private function __construct(
        public readonly string $method,
        public readonly string $path,
        public readonly string $query,
        public readonly string $version,
        public readonly array $headers,
    ) {
    }

    /** @throws Refused */
    public static function parse(string $head, Config $config): self
    {
        $lines = explode("\r\n", $head);
        if (preg_match(self::REQUEST_LINE, (string) array_shift($lines), $line) !== 1) {
            throw Refused::with(400);
        }
        [, $method, $target, $version] = $line;
        if (strlen($target) > $config->int('uri_bytes_max')) {
            throw Refused::with(414);
        }
        if ($method === 'CONNECT') {
            throw Refused::with(405);
        }
        if (count($lines) > $config->int('header_count_max')) {
            throw Refused::with(431);
        }
        $headers = [];
        foreach ($lines as $text) {
            if (preg_match(self::HEADER_LINE, $text, $header) !== 1) {
                throw Refused::with(400);
            }
            $headers[] = [strtolower($header[1]), $header[2]];
        }
        $target = preg_replace('~^https?://[^/?#]*~i', '', $target) ?? '';
        [$path, $query] = explode('?', strstr($target, '#', true) ?: $target, 2) + [1 => ''];
        $path = $path === '' ? '/' : $path;
        if ($path[0] !== '/' && !($path === '*' && $method === 'OPTIONS')) {
            throw Refused::with(400);
        }
        $request = new self($method, $path, $query, $version, $headers);
        $request->check();
        return $request;
    }

    public function isChunked(): bool
    {
        return $this->values('transfer-encoding') !== [];
    }

    public function bodyBytes(): int
    {
        return (int) ($this->values('content-length')[0] ?? 0);
    }

    public function expectsContinue(): bool
    {
        return strtolower($this->values('expect')[0] ?? '') === '100-continue' && $this->version === '1.1';
    }

    /** @throws Refused */
    private function check(): void
    {
        $hosts = count($this->values('host'));
        $lengths = $this->values('content-length');
        $encodings = $this->values('transfer-encoding');
        $isSound = $hosts <= 1
            && ($hosts === 1 || $this->version === '1.0')
            && count($lengths) <= 1
            && ($lengths === [] || preg_match('/^\d{1,18}$/D', $lengths[0]) === 1)
            // Two ways to frame one body are how requests are smuggled (RFC 9112, section 6.3).
            && ($encodings === [] || ($lengths === [] && $this->version === '1.1'))
            && ($encodings === [] || (count($encodings) === 1 && strtolower($encodings[0]) === 'chunked'));
        if (!$isSound) {
            throw Refused::with(400);
        }
    }

    /** @return list<string> */
    private function values(string $name): array
    {
        $values = [];
        foreach ($this->headers as [$key, $value]) {
            if ($key === $name) {
                $values[] = $value;
            }
        }
        return $values;
    }
}
