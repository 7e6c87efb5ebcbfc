<?php

declare(strict_types=1);

namespace Lyger\Http;

use JsonException;

/**
 * One HTTP request.
 *
 * Nothing is copied out of the engine until it is asked for, and then once. A request ends with its answer: keep the
 * values that you need, not the request itself.
 */
final class Request
{
    private ?string $body = null;
    /** @var array<string, mixed>|null */
    private ?array $query = null;
    /** @var array<string, mixed>|null */
    private ?array $form = null;
    /** @var array<string, string>|null */
    private ?array $cookies = null;
    /** @var array<string, string>|null */
    private ?array $headers = null;
    /** @var array<string, mixed> */
    private array $attributes = [];
    /** @var array<string, string> */
    private array $params = [];

    public function __construct(private readonly Source $source)
    {
    }

    /**
     * A request made by hand, for tests.
     *
     * @param string $target path and query: '/products?page=2'
     * @param array<string, string> $headers
     */
    public static function create(string $method, string $target, array $headers = [], string $body = ''): self
    {
        [$path, $query] = explode('?', $target, 2) + [1 => ''];
        $pairs = [];
        foreach ($headers as $name => $value) {
            $pairs[] = [$name, $value];
        }
        return new self(new ArraySource(strtoupper($method), $path, $query, $pairs, $body));
    }

    /** The request that PHP itself received (php-fpm, php -S). */
    public static function fromGlobals(): self
    {
        return new self(new GlobalsSource($_SERVER));
    }

    public function method(): string
    {
        return $this->source->method();
    }

    /** The path with its percent-escapes decoded: '/products/größe'. */
    public function path(): string
    {
        return rawurldecode($this->source->path());
    }

    /** The path as it came: '/products/gr%C3%B6%C3%9Fe'. */
    public function rawPath(): string
    {
        return $this->source->path();
    }

    /** The query as it came, without the question mark. */
    public function queryString(): string
    {
        return $this->source->query();
    }

    /**
     * One parameter of the query, or all of them without a name.
     *
     * @return ($name is null ? array<string, mixed> : mixed)
     */
    public function query(?string $name = null, mixed $default = null): mixed
    {
        $this->query ??= self::parseForm($this->source->query());
        return $name === null ? $this->query : $this->query[$name] ?? $default;
    }

    /** A header's value, several joined by ", ". Names ignore case. */
    public function header(string $name, ?string $default = null): ?string
    {
        return $this->source->header(strtolower($name)) ?? $default;
    }

    /** @return array<string, string> by lower-case name, several values of one name joined by ", " */
    public function headers(): array
    {
        if ($this->headers === null) {
            $this->headers = [];
            foreach ($this->source->headers() as [$name, $value]) {
                $name = strtolower($name);
                $this->headers[$name] = isset($this->headers[$name]) ? "{$this->headers[$name]}, $value" : $value;
            }
        }
        return $this->headers;
    }

    public function cookie(string $name, ?string $default = null): ?string
    {
        return $this->cookies()[$name] ?? $default;
    }

    /** @return array<string, string> */
    public function cookies(): array
    {
        return $this->cookies ??= Cookie::parse($this->header('cookie', '') ?? '');
    }

    public function body(): string
    {
        return $this->body ??= $this->source->body();
    }

    /**
     * The body as JSON; objects become associative arrays.
     *
     * @throws HttpException 400 when the body is not valid JSON
     */
    public function json(): mixed
    {
        try {
            return json_decode($this->body(), true, 512, JSON_THROW_ON_ERROR | JSON_BIGINT_AS_STRING);
        } catch (JsonException $exception) {
            throw HttpException::of(400, "the body is not valid JSON: {$exception->getMessage()}", $exception);
        }
    }

    /**
     * One field that the client sent, in a JSON object or a form, or in the query; all of them without a name.
     *
     * @return ($name is null ? array<string, mixed> : mixed)
     */
    public function input(?string $name = null, mixed $default = null): mixed
    {
        $this->form ??= $this->parseBody();
        $fields = $this->form + $this->query();
        return $name === null ? $fields : $fields[$name] ?? $default;
    }

    public function isJson(): bool
    {
        return preg_match('~^application/([^;]+\+)?json\b~i', $this->header('content-type', '') ?? '') === 1;
    }

    /** The client's address. */
    public function ip(): string
    {
        return $this->source->clientAddress();
    }

    public function port(): int
    {
        return $this->source->clientPort();
    }

    /** http or https */
    public function scheme(): string
    {
        return $this->source->scheme();
    }

    /** The Host header: 'example.org' or 'example.org:8000'. */
    public function host(): string
    {
        return $this->header('host', '') ?? '';
    }

    public function protocolVersion(): string
    {
        return $this->source->protocolVersion();
    }

    /**
     * From here on the request is not run again, should its worker be killed: its client gets 502 instead. For what
     * must not happen twice although its method is GET or HEAD. Route::get(...)->once() says it for a whole route.
     */
    public function once(): void
    {
        $this->source->once();
    }

    /** A route parameter: for '/products/{id}', param('id'). */
    public function param(string $name, ?string $default = null): ?string
    {
        return $this->params[$name] ?? $default;
    }

    /** @return array<string, string> */
    public function params(): array
    {
        return $this->params;
    }

    /**
     * Set by the router.
     *
     * @param array<string, string> $params
     */
    public function setParams(array $params): void
    {
        $this->params = $params;
    }

    /** What a middleware left for those after it, such as the user. */
    public function attribute(string $name, mixed $default = null): mixed
    {
        return $this->attributes[$name] ?? $default;
    }

    /** @return array<string, mixed> */
    public function attributes(): array
    {
        return $this->attributes;
    }

    public function setAttribute(string $name, mixed $value): static
    {
        $this->attributes[$name] = $value;
        return $this;
    }

    /** @return array<string, mixed> */
    private function parseBody(): array
    {
        $type = $this->header('content-type', '') ?? '';
        if ($this->isJson()) {
            $fields = $this->body() === '' ? [] : $this->json();
            return is_array($fields) ? $fields : [];
        }
        if (stripos($type, 'application/x-www-form-urlencoded') === 0) {
            return self::parseForm($this->body());
        }
        return [];
    }

    /** @return array<string, mixed> */
    private static function parseForm(string $form): array
    {
        parse_str($form, $fields);
        return $fields;
    }
}
