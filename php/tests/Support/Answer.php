<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

/** An HTTP answer as it came from the socket. */
final class Answer
{
    /** @param array<string, list<string>> $headers by lower-case name */
    private function __construct(
        public readonly int $status,
        public readonly array $headers,
        public readonly string $body,
    ) {
    }

    public static function parse(string $bytes): self
    {
        [$head, $body] = explode("\r\n\r\n", $bytes, 2) + [1 => ''];
        $lines = explode("\r\n", $head);
        $status = (int) substr((string) array_shift($lines), 9, 3);
        if ($status === 100) {
            return self::parse($body);
        }
        $headers = [];
        foreach ($lines as $line) {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $headers[strtolower($name)][] = trim($value);
        }
        return new self($status, $headers, $body);
    }

    public function header(string $name): ?string
    {
        return isset($this->headers[$name]) ? implode(', ', $this->headers[$name]) : null;
    }

    public function json(): mixed
    {
        return json_decode($this->body, true, 512, JSON_THROW_ON_ERROR);
    }
}
