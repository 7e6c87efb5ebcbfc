<?php

declare(strict_types=1);

namespace Lyger\Http;

/** The request that PHP itself received: under php-fpm, `php -S` and the like. */
final class GlobalsSource implements Source
{
    private readonly string $path;
    private readonly string $query;

    /** @param array<string, mixed> $server $_SERVER */
    public function __construct(private readonly array $server)
    {
        $target = $this->text('REQUEST_URI', '/');
        // An absolute target (GET http://host/path) is allowed by RFC 9112, section 3.2.2.
        $target = preg_replace('~^https?://[^/?#]*~i', '', $target) ?? $target;
        [$path, $query] = explode('?', $target, 2) + [1 => ''];
        $this->path = $path === '' ? '/' : $path;
        $this->query = $query;
    }

    public function method(): string
    {
        return strtoupper($this->text('REQUEST_METHOD', 'GET'));
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
        $key = strtoupper(strtr($name, '-', '_'));
        $key = $key === 'CONTENT_TYPE' || $key === 'CONTENT_LENGTH' ? $key : "HTTP_$key";
        $value = $this->server[$key] ?? null;
        // FPM sets CONTENT_TYPE and CONTENT_LENGTH to '' where the client sent none.
        return $value === null || ($value === '' && str_starts_with($key, 'CONTENT_')) ? null : (string) $value;
    }

    public function headers(): array
    {
        $headers = [];
        foreach ($this->server as $key => $value) {
            $key = (string) $key;
            $name = match (true) {
                str_starts_with($key, 'HTTP_') => substr($key, 5),
                $key === 'CONTENT_TYPE', $key === 'CONTENT_LENGTH' => $value === '' ? '' : $key,
                default => '',
            };
            if ($name !== '') {
                $headers[] = [strtolower(strtr($name, '_', '-')), (string) $value];
            }
        }
        return $headers;
    }

    public function body(): string
    {
        return (string) file_get_contents('php://input');
    }

    public function clientAddress(): string
    {
        return $this->text('REMOTE_ADDR', '');
    }

    public function clientPort(): int
    {
        return (int) $this->text('REMOTE_PORT', '0');
    }

    public function scheme(): string
    {
        return in_array(strtolower($this->text('HTTPS', '')), ['', 'off'], true) ? 'http' : 'https';
    }

    public function protocolVersion(): string
    {
        return preg_replace('~^HTTP/~', '', $this->text('SERVER_PROTOCOL', 'HTTP/1.1')) ?? '1.1';
    }

    public function once(): void
    {
        // Nobody runs it again.
    }

    private function text(string $key, string $default): string
    {
        $value = $this->server[$key] ?? $default;
        return is_scalar($value) ? (string) $value : $default;
    }
}
