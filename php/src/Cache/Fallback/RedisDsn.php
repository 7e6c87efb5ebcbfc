<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Config\Secret;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidDsn;
use Lyger\Exception\Timeout;
use Redis;
use RedisException;
use SensitiveParameter;

/**
 * Which Redis: read as rust/cache/remote/dsn.rs reads it, with the same errors, but for clusters and sentinels. Nothing
 * of what stands in the DSN is in an error but names of options that could be some.
 *
 * @internal
 */
final class RedisDsn
{
    /** How often ext-redis replaces a connection that it finds closed before it sends something. */
    public const RETRIES = 1;

    private const PORT = 6379;
    private const PORT_MAX = 65_535;
    private const TIMEOUT_MS = 3_000;
    /** An hour: longer is a mistake in the unit. */
    private const TIMEOUT_MS_MAX = 3_600_000;
    private const CONNECTIONS_MAX_MAX = 10_000;
    private const DATABASE_MAX = 4_294_967_295;
    private const PREFIX_BYTES_MAX = 1_024;
    private const SCHEMES = [
        'redis', 'rediss', 'redis+unix', 'redis-cluster', 'rediss-cluster', 'redis-sentinel', 'rediss-sentinel',
    ];
    /** The first with a time limit for TLS, and with OPT_MAX_RETRIES. */
    private const EXT_REDIS_MIN = '5.3.5';

    private string $host = '';
    /** 0: the host is a socket's path. */
    private int $port = 0;
    private ?string $user = null;
    private ?Secret $password = null;
    private int $database = 0;
    private int $connectTimeoutMs = self::TIMEOUT_MS;
    private int $timeoutMs = self::TIMEOUT_MS;
    private string $ca = '';
    private bool $isInsecure = false;
    private RedisNames $names;
    /** @var resource|null the certificates that stand in the DSN itself: PHP reads them from a file only */
    private $caFile = null;

    private function __construct(private readonly bool $isTls)
    {
        $this->names = new RedisNames('');
    }

    public static function parse(#[SensitiveParameter] string $dsn): self
    {
        if (strpbrk($dsn, "#\n\r") !== false || str_contains($dsn, "\0")) {
            throw self::wrong('it has a `#` or a line break; in a password they are percent-encoded');
        }
        $known = implode('://, ', self::SCHEMES) . '://';
        [$scheme, $rest] = [...explode('://', $dsn, 2), null];
        $rest !== null || throw self::wrong("it begins with one of $known");
        in_array($scheme, self::SCHEMES, true) || throw self::wrong("its scheme is none of $known");
        if (str_contains($scheme, '-')) {
            throw self::wrong("$scheme:// needs the native engine");
        }
        if (!extension_loaded('redis') || version_compare((string) phpversion('redis'), self::EXT_REDIS_MIN) < 0) {
            $needed = 'the native engine, or ext-redis ' . self::EXT_REDIS_MIN;
            throw new InvalidDsn("$scheme:// needs $needed, and neither is loaded");
        }
        [$place, $query] = [...explode('?', $rest, 2), ''];
        if (str_contains($query, '@')) {
            throw self::wrong('there is an `@` behind the `?`; in a user or a password both are percent-encoded');
        }
        [$authority, $path] = [...explode('/', $place, 2), ''];
        // The last one: a password that was pasted in may have one.
        $at = strrpos($authority, '@');
        $hosts = $at === false ? $authority : substr($authority, $at + 1);
        $isSocket = $scheme === 'redis+unix'
            || $scheme === 'redis' && $hosts === '' && preg_match('/[^0-9]/', $path) === 1;
        $self = new self($scheme === 'rediss');
        $self->readLogin($at === false ? '' : substr($authority, 0, $at));
        $isSocket ? $self->readSocket($hosts, $path) : $self->readServer($hosts, $path);
        foreach (array_filter(explode('&', $query), static fn (string $option): bool => $option !== '') as $option) {
            [$name, $value] = [...explode('=', $option, 2), ''];
            $self->readOption($name, $value, $isSocket);
        }
        return $self;
    }

    public function connect(): Redis
    {
        [$redis, $warnings] = [new Redis(), []];
        $since = hrtime(true);
        try {
            $host = ($this->isTls ? 'tls://' : '') . $this->host;
            $times = [$this->connectTimeoutMs / 1_000, null, 0, $this->timeoutMs / 1_000];
            $terms = $this->isTls ? [['stream' => $this->terms()]] : [];
            RedisError::quietly(fn () => $redis->connect($host, $this->port, ...$times, ...$terms), $warnings);
            $redis->setOption(Redis::OPT_MAX_RETRIES, self::RETRIES);
            RedisError::quietly(fn () => $this->logIn($redis), $warnings);
            $select = fn () => $this->database === 0 || $redis->select($this->database) === true;
            if (!RedisError::quietly($select, $warnings)) {
                throw RedisError::of((string) $redis->getLastError(), $this->server());
            }
        } catch (RedisException $exception) {
            // Not as the previous one: its trace has what auth() was given.
            throw match (true) {
                // "ERR AUTH <password> called without any password configured": of a server that wants none.
                $this->password !== null && str_starts_with($exception->getMessage(), 'ERR AUTH')
                    => RedisError::refusedLogin($exception->getMessage(), $this->server()),
                RedisError::isServers($exception->getMessage())
                    => RedisError::of($exception->getMessage(), $this->server()),
                RedisError::isOver($since, $this->connectTimeoutMs)
                    => Timeout::after("the cache at {$this->server()}", $this->connectTimeoutMs),
                default => new ConnectionFailed(
                    "no connection to the cache at {$this->server()}: "
                    . RedisError::inOneLine(implode('; ', [$exception->getMessage(), ...$warnings])),
                ),
            };
        }
        return $redis;
    }

    public function names(): RedisNames
    {
        return $this->names;
    }

    public function timeoutMs(): int
    {
        return $this->timeoutMs;
    }

    /** For messages. */
    public function server(): string
    {
        $host = str_contains($this->host, ':') ? "[{$this->host}]" : $this->host;
        return $this->port === 0 ? $this->host : "$host:{$this->port}";
    }

    private function logIn(Redis $redis): void
    {
        $password = $this->password?->text();
        if ($password === null) {
            return;
        }
        if ($redis->auth($this->user === null ? $password : [$this->user, $password]) !== true) {
            throw RedisError::refusedLogin((string) $redis->getLastError(), $this->server());
        }
    }

    /** @return array<string, bool|string> */
    private function terms(): array
    {
        $terms = ['verify_peer' => !$this->isInsecure, 'verify_peer_name' => !$this->isInsecure];
        if (!str_starts_with(ltrim($this->ca), '-----BEGIN')) {
            return $terms + ($this->ca === '' ? [] : ['cafile' => $this->ca]);
        }
        if ($this->caFile === null) {
            $file = tmpfile();
            if ($file === false || fwrite($file, $this->ca) !== strlen($this->ca) || !fflush($file)) {
                throw new ConnectionFailed("the option `ca`'s certificates can't be written into a temporary file");
            }
            $this->caFile = $file;
        }
        return $terms + ['cafile' => stream_get_meta_data($this->caFile)['uri']];
    }

    private function readLogin(#[SensitiveParameter] string $login): void
    {
        [$user, $password] = [...explode(':', $login, 2), ''];
        [$user, $password] = [self::decoded($user, 'the user'), self::decoded($password, 'the password')];
        if ($user !== '' && $password === '') {
            throw self::wrong('the user has no password (a password alone is written :password@host)');
        }
        $this->user = $user === '' ? null : $user;
        $this->password = $password === '' ? null : new Secret($password);
    }

    private function readSocket(#[SensitiveParameter] string $hosts, #[SensitiveParameter] string $path): void
    {
        $hosts === '' || throw self::wrong("a socket's path has no host: redis+unix:///run/redis.sock");
        $path !== '' || throw self::wrong("the socket's path is missing");
        $this->host = '/' . self::decoded($path, "the socket's path");
    }

    private function readServer(#[SensitiveParameter] string $hosts, #[SensitiveParameter] string $path): void
    {
        // Not by array_map(), whose arguments an exception's trace would show.
        foreach (explode(',', $hosts) as $host) {
            [$this->host, $this->port] = self::readHost($host);
        }
        if (str_contains($hosts, ',')) {
            throw self::wrong('redis:// has one host; several are redis-cluster:// or redis-sentinel://');
        }
        $this->database = $path === '' ? 0 : self::readDatabase($path);
    }

    /** @return array{string, int} */
    private static function readHost(#[SensitiveParameter] string $text): array
    {
        if (str_starts_with($text, '[')) {
            $end = strpos($text, ']') ?: throw self::wrong('an IPv6 address has no `]`');
            $host = substr($text, 1, $end - 1);
            if (filter_var($host, FILTER_VALIDATE_IP, FILTER_FLAG_IPV6) === false) {
                throw self::wrong('what stands in brackets is no IPv6 address');
            }
            $port = substr($text, $end + 1);
        } else {
            $host = substr($text, 0, strcspn($text, ':'));
            $port = substr($text, strlen($host));
        }
        $host !== '' || throw self::wrong('a host is missing');
        // Never quoted: with a `/` in it, what stands here may be a part of the password.
        if ($port !== '' && $port[0] !== ':') {
            throw self::wrong('something follows an address that is no port');
        }
        $number = $port === '' ? self::PORT : self::number(substr($port, 1), 1, self::PORT_MAX);
        $number !== null || throw self::wrong('a port is no number from 1 to 65535');
        return [self::decoded($host, 'a host'), $number];
    }

    private static function readDatabase(#[SensitiveParameter] string $text): int
    {
        return self::number($text, 0, self::DATABASE_MAX) ?? throw self::wrong('the database is no number');
    }

    private function readOption(
        #[SensitiveParameter] string $name,
        #[SensitiveParameter] string $value,
        bool $isSocket,
    ): void {
        match (true) {
            $name === 'prefix' => $this->names = new RedisNames(self::readPrefix($value)),
            $name === 'connect_timeout_ms'
                => $this->connectTimeoutMs = self::readNumber($name, $value, self::TIMEOUT_MS_MAX),
            $name === 'timeout_ms' => $this->timeoutMs = self::readNumber($name, $value, self::TIMEOUT_MS_MAX),
            // Of whoever shares some: here each process has one.
            $name === 'connections_max' => self::readNumber($name, $value, self::CONNECTIONS_MAX_MAX),
            $name === 'db' && $isSocket => $this->database = self::readDatabase($value),
            $name === 'ca' && $this->isTls => $this->ca = self::readText($name, $value),
            $name === 'insecure' && $this->isTls => $this->isInsecure = match ($value) {
                'yes' => true,
                'no' => false,
                default => throw self::wrong('the option `insecure` is yes or no'),
            },
            $name === 'ca', $name === 'insecure'
                => throw self::wrong("the option `$name` is for rediss://, which is encrypted"),
            $name === 'db' => throw self::wrong('the database stands in the path: redis://host/2'),
            $name === 'sentinel_user', $name === 'sentinel_password'
                => throw self::wrong("the option `$name` is for redis-sentinel://"),
            // Quoted only if it looks like one, and not like the end of a password.
            preg_match('/^[a-z_]{0,32}$/D', $name) === 1 => throw self::wrong(
                "there is no option `$name`; there are prefix, connect_timeout_ms, timeout_ms, connections_max, ca, "
                . 'insecure, sentinel_user, sentinel_password and, for sockets, db',
            ),
            default => throw self::wrong('behind the `?` stands what is no option'),
        };
    }

    private static function readPrefix(#[SensitiveParameter] string $value): string
    {
        $prefix = self::readText('prefix', $value);
        if (strlen($prefix) > self::PREFIX_BYTES_MAX) {
            throw self::wrong('the option `prefix` has more than ' . self::PREFIX_BYTES_MAX . ' bytes');
        }
        if (!RedisNames::isPrefix($prefix)) {
            throw self::wrong('the option `prefix` has a `{` that begins no hash tag, or a NUL byte');
        }
        return $prefix;
    }

    private static function readText(string $name, #[SensitiveParameter] string $value): string
    {
        $text = self::decoded(strtr($value, '+', ' '), $name);
        return $text === '' ? throw self::wrong("the option `$name` has no value") : $text;
    }

    private static function readNumber(string $name, #[SensitiveParameter] string $value, int $max): int
    {
        return self::number($value, 1, $max) ?? throw self::wrong("the option `$name` is a number from 1 to $max");
    }

    private static function number(#[SensitiveParameter] string $text, int $min, int $max): ?int
    {
        $number = preg_match('/^\+?0*(\d{1,10})$/D', $text, $match) === 1 ? (int) $match[1] : -1;
        return $number >= $min && $number <= $max ? $number : null;
    }

    private static function decoded(#[SensitiveParameter] string $text, string $what): string
    {
        $bytes = rawurldecode($text);
        // rawurldecode() leaves what it can't decode as it is.
        if (preg_match('/%(?![0-9a-fA-F]{2})/', $text) === 1 || preg_match('//u', $bytes) !== 1) {
            throw self::wrong("what is percent-encoded in $what can't be decoded");
        }
        return $bytes;
    }

    private static function wrong(string $reason): InvalidDsn
    {
        return new InvalidDsn("the cache's DSN is wrong: $reason");
    }
}
