<?php

declare(strict_types=1);

namespace Lyger\Http;

use Lyger\Exception\InvalidArgument;

/** One cookie that the server sets (RFC 6265, section 4.1). */
final class Cookie
{
    public function __construct(
        public readonly string $name,
        public readonly string $value,
        public readonly ?int $maxAgeSeconds = null,
        public readonly string $path = '/',
        public readonly ?string $domain = null,
        public readonly bool $secure = false,
        public readonly bool $httpOnly = true,
        public readonly string $sameSite = 'Lax',
    ) {
        if (preg_match('/^[!#$%&\'*+\-.^_`|~0-9A-Za-z]+$/D', $name) !== 1) {
            throw InvalidArgument::because('a cookie needs a name of letters, digits and !#$%&\'*+-.^_`|~', $name);
        }
        if (preg_match('/[\x00-\x1f;\x7f]/', "$path$domain$sameSite") === 1) {
            throw InvalidArgument::because("the cookie $name has a forbidden character in path, domain or SameSite");
        }
    }

    /** The value of a Set-Cookie header. */
    public function header(): string
    {
        $header = $this->name . '=' . rawurlencode($this->value);
        if ($this->maxAgeSeconds !== null) {
            $expires = gmdate('D, d M Y H:i:s', time() + $this->maxAgeSeconds) . ' GMT';
            $header .= "; Expires=$expires; Max-Age={$this->maxAgeSeconds}";
        }
        return $header
            . ($this->path === '' ? '' : "; Path={$this->path}")
            . ($this->domain === null ? '' : "; Domain={$this->domain}")
            . ($this->secure ? '; Secure' : '')
            . ($this->httpOnly ? '; HttpOnly' : '')
            . ($this->sameSite === '' ? '' : "; SameSite={$this->sameSite}");
    }

    /**
     * Reads a Cookie header. The first of two cookies with one name wins: browsers send the more specific path first.
     *
     * @return array<string, string>
     */
    public static function parse(string $header): array
    {
        $cookies = [];
        // Several Cookie headers (HTTP/2 allows it) arrive joined by ", ".
        foreach (preg_split('/;\s*|,\s+/', $header) ?: [] as $pair) {
            [$name, $value] = explode('=', $pair, 2) + [1 => null];
            $name = trim($name);
            if ($value !== null && $name !== '') {
                $cookies[$name] ??= rawurldecode(trim($value, " \t\""));
            }
        }
        return $cookies;
    }
}
