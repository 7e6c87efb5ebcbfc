<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Exception\InvalidDsn;
use Redis;
use SensitiveParameter;

/**
 * Which Redis, and how things are named there: as rust/cache/remote (dsn, keys) has it, but for clusters and sentinels.
 *
 * @internal
 */
final class RedisDsn
{
    private const PORT = 6379;
    private const TIMEOUT_MS = 3_000;
    private const BESIDE = "\0lyger";
    /** A cluster has so many hash slots. */
    private const SLOTS = 16_384;
    private const FORM = '~^[a-z+]+://(?:([^:@/?]*)(?::([^@/?]*))?@)?'
        . '(\[[^\]]*\]|[^:/?@]*)(?::(\d{1,5}))?(/[^?]*)?(?:\?(.*))?$~Ds';
    private const OPTIONS = ['prefix', 'connect_timeout_ms', 'timeout_ms', 'connections_max', 'ca', 'insecure', 'db'];

    /** @param array<string, string> $options */
    private function __construct(
        private readonly string $host,
        private readonly int $port,
        private readonly bool $isTls,
        #[SensitiveParameter] private readonly ?string $user,
        #[SensitiveParameter] private readonly ?string $password,
        private readonly int $database,
        private readonly array $options,
    ) {
    }

    public static function parse(#[SensitiveParameter] string $dsn): self
    {
        $scheme = (string) strstr($dsn, '://', true);
        if (preg_match('/^rediss?-(?:cluster|sentinel)$/', $scheme) === 1) {
            throw new InvalidDsn("the cache's DSN is wrong: $scheme:// needs the native engine");
        }
        if (!in_array($scheme, ['redis', 'rediss', 'redis+unix'], true)) {
            throw new InvalidDsn("the cache's DSN is wrong: it begins with redis://, rediss:// or redis+unix://");
        }
        if (!extension_loaded('redis')) {
            throw new InvalidDsn("$scheme:// needs the native engine, or ext-redis, and neither is loaded");
        }
        if (preg_match(self::FORM, $dsn, $parts, PREG_UNMATCHED_AS_NULL) !== 1) {
            throw new InvalidDsn("the cache's DSN is wrong: it is as redis://user:password@host:6379/0");
        }
        [, $user, $password, $host, $port, $path, $query] = $parts;
        $options = self::options((string) $query);
        $isSocket = $scheme === 'redis+unix' || $host === '';
        $database = $isSocket ? $options['db'] ?? '0' : ltrim((string) $path, '/');
        if (preg_match('/^\d{0,9}$/D', $database) !== 1 || ($isSocket ? (string) $path === '' : (int) $port > 65_535)) {
            throw new InvalidDsn("the cache's DSN is wrong: no server or database has that name");
        }
        return new self(
            $isSocket ? rawurldecode((string) $path) : trim((string) $host, '[]'),
            $isSocket ? 0 : (int) ($port ?? self::PORT),
            $scheme === 'rediss',
            $user === null || $user === '' ? null : rawurldecode($user),
            $password === null ? null : rawurldecode($password),
            (int) $database,
            $options,
        );
    }

    public function connect(): Redis
    {
        $redis = new Redis();
        $tls = [];
        if ($this->isTls) {
            $trust = ($this->options['insecure'] ?? 'no') === 'yes';
            $tls = ['verify_peer' => !$trust, 'verify_peer_name' => !$trust];
            $tls += isset($this->options['ca']) ? ['cafile' => $this->options['ca']] : [];
        }
        $redis->connect(
            ($this->isTls ? 'tls://' : '') . $this->host,
            $this->port,
            $this->seconds('connect_timeout_ms'),
            null,
            0,
            $this->seconds('timeout_ms'),
            $tls === [] ? [] : ['stream' => $tls],
        );
        if ($this->password !== null) {
            $redis->auth($this->user === null ? $this->password : [$this->user, $this->password]);
        }
        if ($this->database !== 0) {
            $redis->select($this->database);
        }
        return $redis;
    }

    /** For messages. */
    public function server(): string
    {
        return $this->port === 0 ? $this->host : "{$this->host}:{$this->port}";
    }

    /** A value's name on the server; null for a key that could be a lock's. */
    public function name(string $key): ?string
    {
        return str_starts_with($key, self::BESIDE) ? null : $this->prefix() . $key;
    }

    public function key(string $name): string
    {
        return substr($name, strlen($this->prefix()));
    }

    public function beside(string $kind, string $name): string
    {
        return $this->prefix() . self::BESIDE . ":$kind:{" . self::tag($this->prefix() . $name) . "}$name";
    }

    public function isBeside(string $name): bool
    {
        return str_starts_with($this->key($name), self::BESIDE);
    }

    /** Of SCAN, for all names with the prefix. */
    public function pattern(): string
    {
        return addcslashes($this->prefix(), '*?[]\\') . '*';
    }

    /** What hashes to the slot of a cluster that a value of the name has. */
    private static function tag(string $name): string
    {
        if (preg_match('/\{([^}]+)\}/', (string) strstr($name, '{'), $match, PREG_OFFSET_CAPTURE) === 1) {
            if ($match[0][1] === 0) {
                return $match[1][0];
            }
        }
        if ($name !== '' && !str_contains($name, '}')) {
            return $name;
        }
        $slot = self::crc16($name) % self::SLOTS;
        for ($number = 0; self::crc16((string) $number) % self::SLOTS !== $slot; $number++) {
        }
        return (string) $number;
    }

    /** CRC-16/XMODEM. */
    private static function crc16(string $bytes): int
    {
        $crc = 0;
        for ($at = 0; $at < strlen($bytes); $at++) {
            $crc ^= ord($bytes[$at]) << 8;
            for ($bit = 0; $bit < 8; $bit++) {
                $crc = ($crc & 0x8000) === 0 ? $crc << 1 : ($crc << 1 ^ 0x1021) & 0xffff;
            }
        }
        return $crc;
    }

    private function prefix(): string
    {
        return $this->options['prefix'] ?? '';
    }

    private function seconds(string $option): float
    {
        return (int) ($this->options[$option] ?? self::TIMEOUT_MS) / 1_000;
    }

    /** @return array<string, string> */
    private static function options(string $query): array
    {
        $options = [];
        foreach ($query === '' ? [] : explode('&', $query) as $option) {
            [$name, $value] = [...explode('=', $option, 2), ''];
            if (!in_array($name, self::OPTIONS, true)) {
                throw new InvalidDsn("the cache's DSN is wrong: there is no option $name");
            }
            $options[$name] = rawurldecode($value);
        }
        return $options;
    }
}
