<?php

declare(strict_types=1);

namespace Lyger\Http;

use JsonSerializable;
use Lyger\Exception\InvalidArgument;
use Psr\Http\Message\ResponseInterface;
use Stringable;

/**
 * One HTTP answer. Setters change it and return it, so that calls chain:
 *
 *     return Response::json(['id' => 7], 201)->setHeader('Location', '/products/7');
 *
 * Content-Length, Date and Connection are the server's.
 */
class Response
{
    /** @var array<string, list<array{string, string}>> name and value by lower-case name */
    private array $headers = [];

    /** @param array<string, string|list<string>> $headers */
    final public function __construct(private string $body = '', private int $status = 200, array $headers = [])
    {
        $this->setStatus($status);
        foreach ($headers as $name => $values) {
            foreach ((array) $values as $value) {
                $this->addHeader((string) $name, $value);
            }
        }
    }

    /**
     * By the rules of the engine's JSON: NaN and infinities are null, invalid UTF-8 becomes U+FFFD.
     *
     * @param array<string, string|list<string>> $headers
     * @throws InvalidArgument when the data has no JSON form
     */
    public static function json(mixed $data, int $status = 200, array $headers = []): self
    {
        return self::typed('application/json', Json::encode($data), $status, $headers);
    }

    /** @param array<string, string|list<string>> $headers */
    public static function html(string $html, int $status = 200, array $headers = []): self
    {
        return self::typed('text/html; charset=utf-8', $html, $status, $headers);
    }

    /** @param array<string, string|list<string>> $headers */
    public static function text(string $text, int $status = 200, array $headers = []): self
    {
        return self::typed('text/plain; charset=utf-8', $text, $status, $headers);
    }

    /**
     * The form of every error that Lyger makes: {"error":{"status":404,"message":"Nothing is here."}}
     *
     * @param array<string, mixed> $details further members of the object
     */
    public static function error(int $status, string $message = '', array $details = []): self
    {
        $message = $message === '' ? Reason::MESSAGES[$status] ?? self::reason($status) : $message;
        return self::json(['error' => ['status' => $status, 'message' => $message] + $details], $status);
    }

    public static function redirect(string $to, int $status = 302): self
    {
        return new self('', $status, ['Location' => $to]);
    }

    public static function noContent(): self
    {
        return new self('', 204);
    }

    /**
     * What a handler returned, as an answer: a response of Lyger or PSR-7 as it is, text as HTML, arrays as JSON, and
     * nothing as what the handler echoed.
     */
    public static function from(mixed $result): self
    {
        return match (true) {
            $result instanceof self => $result,
            $result instanceof ResponseInterface => Psr7::fromResponse($result),
            $result === null => new Echoed(),
            is_array($result), $result instanceof JsonSerializable => self::json($result),
            is_string($result), $result instanceof Stringable => self::html((string) $result),
            default => throw InvalidArgument::because(
                'a handler returned ' . get_debug_type($result)
                . ', which is no answer: return a Response, text or an array'
            ),
        };
    }

    public function status(): int
    {
        return $this->status;
    }

    public function setStatus(int $status): static
    {
        if ($status < 200 || $status > 599) {
            throw InvalidArgument::because('a status lies between 200 and 599', (string) $status);
        }
        $this->status = $status;
        return $this;
    }

    public function body(): string
    {
        return $this->body;
    }

    public function setBody(string $body): static
    {
        $this->body = $body;
        return $this;
    }

    /** A header's value, several joined by ", "; null when it is missing. Names ignore case. */
    public function header(string $name): ?string
    {
        $values = array_column($this->headers[strtolower($name)] ?? [], 1);
        return $values === [] ? null : implode(', ', $values);
    }

    /** @return list<array{string, string}> every header with its value, in the order of their first setting */
    public function headers(): array
    {
        return array_merge(...array_values($this->headers));
    }

    /** Replaces all headers of this name. */
    public function setHeader(string $name, string $value): static
    {
        unset($this->headers[strtolower($name)]);
        return $this->addHeader($name, $value);
    }

    /** @param array<string, string|list<string>> $headers */
    public function setHeaders(array $headers): static
    {
        foreach ($headers as $name => $values) {
            $this->removeHeader((string) $name);
            foreach ((array) $values as $value) {
                $this->addHeader((string) $name, $value);
            }
        }
        return $this;
    }

    /** Adds a header beside those of the same name. */
    public function addHeader(string $name, string $value): static
    {
        // RFC 9110, section 5.5: a line break in a value would let user input write headers of its own.
        if (preg_match('/^[!#$%&\'*+\-.^_`|~0-9A-Za-z]+$/D', $name) !== 1) {
            throw InvalidArgument::because('a header name has a forbidden character', $name);
        }
        if (preg_match('/[\x00-\x08\x0a-\x1f\x7f]/', $value) === 1) {
            throw InvalidArgument::because("the header $name has a value with a forbidden character", $value);
        }
        $this->headers[strtolower($name)][] = [$name, $value];
        return $this;
    }

    public function removeHeader(string $name): static
    {
        unset($this->headers[strtolower($name)]);
        return $this;
    }

    public function setCookie(Cookie $cookie): static
    {
        return $this->addHeader('Set-Cookie', $cookie->header());
    }

    /** Tells the browser to forget a cookie. */
    public function removeCookie(string $name, string $path = '/', ?string $domain = null): static
    {
        return $this->setCookie(new Cookie($name, '', 0, $path, $domain));
    }

    /** The standard's phrase for a status: 'Not Found' for 404. */
    public static function reason(int $status): string
    {
        return Reason::PHRASES[$status] ?? 'Unknown Status';
    }

    /**
     * With a content type of our own, which needs no check: checks are half of the time of a small answer.
     *
     * @param array<string, string|list<string>> $headers
     */
    private static function typed(string $type, string $body, int $status, array $headers): self
    {
        $response = new self($body, $status);
        $response->headers['content-type'] = [['Content-Type', $type]];
        return $headers === [] ? $response : $response->setHeaders($headers);
    }

    /** Sends the answer through PHP itself (php-fpm, php -S). */
    public function emit(): void
    {
        $body = $this->body();
        http_response_code($this->status);
        foreach ($this->headers as $values) {
            foreach ($values as $nth => [$name, $value]) {
                header("$name: $value", $nth === 0 && strtolower($name) !== 'set-cookie');
            }
        }
        echo $body;
    }
}
