<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidDsn;
use SensitiveParameter;

/**
 * A data source name, read as the engine reads it (rust/db/dsn.rs): postgres://, postgresql://, mysql://, mariadb:// as
 * URLs with percent-escapes; sqlite:<path>, sqlite://<path>, sqlite::memory: and a bare path, taken literally.
 */
final class Dsn
{
    /** As in rust/ffi: longer than any path or host that a system takes. */
    private const BYTES_MAX = 4096;

    /** How a connection is encrypted, in the words of each database. */
    private const SSL_MODES = [
        'postgres' => ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'],
        'mysql' => ['disabled', 'preferred', 'required', 'verify_ca', 'verify_identity'],
    ];

    /** What a DSN of PostgreSQL may say behind the question mark (rust/db/postgres/options.rs). */
    private const POSTGRES_PARAMETERS = [
        'host', 'hostaddr', 'port', 'user', 'password', 'passfile', 'dbname', 'sslmode', 'sslrootcert', 'sslcert',
        'sslkey', 'channel_binding', 'application_name', 'fallback_application_name', 'options', 'connect_timeout',
        'client_encoding', 'keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'gssencmode',
        'target_session_attrs', 'reset',
    ];

    /** The same for MySQL and MariaDB (rust/db/dsn.rs). */
    private const MYSQL_PARAMETERS = ['ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket', 'reset'];

    /** Other clients' names for it. */
    private const ALIASES = [
        'ssl-mode' => 'sslmode', 'ssl-root-cert' => 'sslrootcert', 'ssl-ca' => 'sslrootcert', 'ssl-cert' => 'sslcert',
        'ssl-key' => 'sslkey',
    ];

    /** @param array<string, string> $options what follows the question mark */
    private function __construct(
        public readonly string $dialect,
        public readonly string $host,
        public readonly ?int $port,
        public readonly ?string $user,
        public readonly ?string $password,
        public readonly string $database,
        public readonly array $options,
        private readonly string $redacted,
        /** Whether a connection is closed behind the client that had it, whatever is known of it. */
        public readonly bool $resetsAlways = false,
    ) {
    }

    public static function parse(#[SensitiveParameter] string $dsn): self
    {
        if ($dsn === '') {
            throw InvalidDsn::because('it is empty');
        }
        if (strlen($dsn) > self::BYTES_MAX) {
            throw InvalidArgument::because('dsn has ' . strlen($dsn) . ' bytes and may have ' . self::BYTES_MAX);
        }
        if (preg_match('//u', $dsn) !== 1) {
            throw InvalidArgument::because("dsn isn't UTF-8");
        }
        if (str_contains($dsn, "\0")) {
            throw InvalidDsn::because('it holds a NUL byte');
        }
        $scheme = str_contains($dsn, '://') ? strstr($dsn, '://', true) : '';
        return match ($scheme) {
            'postgres', 'postgresql' => self::url('postgres', $dsn),
            'mysql', 'mariadb' => self::url('mysql', $dsn),
            default => self::path($dsn),
        };
    }

    /** Whether it is a database that is gone with its connection. */
    public function isMemory(): bool
    {
        return $this->dialect === 'sqlite'
            && (str_contains($this->database, ':memory:') || str_contains($this->database, 'mode=memory'));
    }

    /** The DSN without its password. */
    public function __toString(): string
    {
        return $this->redacted;
    }

    private static function url(string $dialect, #[SensitiveParameter] string $dsn): self
    {
        $pattern = '~^[a-z]+://(?:(?<user>[^:@/?#]*)(?::(?<password>[^/?#]*))?@)?'
            . '(?<host>\[[0-9a-fA-F:.]+\]|[^:/?#\[\]]*)(?::(?<port>\d+))?'
            . '(?:/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$~D';
        if (preg_match($pattern, $dsn, $part, PREG_UNMATCHED_AS_NULL) !== 1 || (int) ($part['port'] ?? 0) > 65535) {
            throw InvalidDsn::because(
                'it is no URL (special characters in a user or a password are percent-encoded, `@` as %40)'
            );
        }
        $options = [];
        foreach (array_filter(explode('&', $part['query'] ?? '')) as $pair) {
            [$key, $value] = explode('=', $pair, 2) + [1 => ''];
            $options[urldecode($key)] = urldecode($value);
        }
        if ($dialect === 'postgres') {
            $options = self::postgresParameters($options);
        }
        if ($dialect === 'mysql') {
            $options = self::mysqlParameters($options);
        }
        $mode = $options['sslmode'] ?? null;
        if ($mode !== null) {
            $options['sslmode'] = strtolower($mode);
            if (!in_array($options['sslmode'], self::SSL_MODES[$dialect], true)) {
                $known = implode(', ', self::SSL_MODES[$dialect]);
                throw InvalidDsn::because("unknown value \"$mode\" for sslmode, which is one of $known");
            }
        }
        $reset = $options['reset'] ?? '';
        unset($options['reset']);
        if (!in_array($reset, ['', 'told', 'changed', 'always'], true)) {
            throw InvalidDsn::because("unknown value \"$reset\" for reset, which is one of told, changed, always");
        }
        $decoded = static fn (?string $text): ?string => $text === null || $text === '' ? null : rawurldecode($text);
        return new self(
            $dialect,
            trim(rawurldecode($part['host'] ?? ''), '[]'),
            $part['port'] === null ? null : (int) $part['port'],
            $decoded($part['user']),
            $decoded($part['password']),
            $decoded($part['database']) ?? '',
            $options,
            self::redact($dsn),
            $reset === 'always',
        );
    }

    /**
     * @param array<string, string> $options
     * @return array<string, string>
     */
    private static function postgresParameters(array $options): array
    {
        $parameters = [];
        foreach ($options as $name => $value) {
            $name = self::ALIASES[$name] ?? (string) $name;
            if (preg_match('/^options\[(.*)\]$/D', $name, $setting) === 1) {
                $value = "-c $setting[1]=" . addcslashes($value, ' \\');
                $value = ltrim(($parameters['options'] ?? '') . " $value");
                $name = 'options';
            }
            if (!in_array($name, self::POSTGRES_PARAMETERS, true)) {
                throw self::unknown($name, self::POSTGRES_PARAMETERS);
            }
            $parameters[$name] = $value;
        }
        return $parameters;
    }

    /**
     * @param array<string, string> $options
     * @return array<string, string>
     */
    private static function mysqlParameters(array $options): array
    {
        $parameters = [];
        if (($options['charset'] ?? null) === 'utf8mb4') {
            unset($options['charset']); // which it is anyway
        }
        foreach ($options as $name => $value) {
            $hyphened = preg_replace('/^ssl(?!-)/', 'ssl-', (string) $name);
            if (!in_array($hyphened, self::MYSQL_PARAMETERS, true)) {
                throw self::unknown((string) $name, self::MYSQL_PARAMETERS);
            }
            $parameters[$hyphened === 'ssl-mode' ? 'sslmode' : $hyphened] = $value;
        }
        return $parameters;
    }

    /** @param list<string> $known */
    private static function unknown(string $name, array $known): InvalidDsn
    {
        $distances = array_map(static fn (string $known): int => levenshtein($name, $known), $known);
        $nearest = $known[array_search(min($distances), $distances, true)];
        return InvalidDsn::because("unknown parameter \"$name\"; the nearest that is known is $nearest");
    }

    private static function path(#[SensitiveParameter] string $dsn): self
    {
        $path = $dsn;
        if (str_starts_with($dsn, 'sqlite:')) {
            $path = substr($dsn, 7);
            $path = str_starts_with($path, '//') ? substr($path, 2) : $path;
        } elseif (preg_match('/^(?!file:)([a-z][a-z0-9+.-]+):/i', $dsn, $scheme) === 1) {
            // `mysql:host=localhost`, which PDO would understand, must not create a file of that name.
            throw InvalidDsn::because(
                "unknown scheme `{$scheme[1]}:`; write postgres://user:password@host/database, "
                . 'mysql://user:password@host/database, sqlite:/path/to/file or a bare path'
            );
        } elseif (self::isMistypedServer($dsn)) {
            throw InvalidDsn::because(
                'it has neither a known scheme nor the looks of a path; write postgres://user:password@host/database, '
                . 'mysql://user:password@host/database, or sqlite:/path/to/file for a file of that name'
            );
        }
        if ($path === '') {
            throw InvalidDsn::because('the path is missing: write sqlite:/path/to/file or sqlite::memory:');
        }
        return new self('sqlite', '', null, null, null, $path, [], $dsn);
    }

    /** `mysql//user:password@host`, which errors would print in full if it were a path. */
    private static function isMistypedServer(#[SensitiveParameter] string $dsn): bool
    {
        return preg_match('~^(?:postgres(?:ql)?|pgsql|mysql|mariadb)[^\pL\pN_.-].*@~isu', $dsn) === 1
            || preg_match('~(?://|:/).*:.*@~su', $dsn) === 1;
    }

    private static function redact(#[SensitiveParameter] string $dsn): string
    {
        $dsn = preg_replace('~^([a-z]+://[^:@/?#]*):[^/?#]*@~', '$1:***@', $dsn) ?? '';
        return preg_replace('~([?&]password=)[^&#]*~i', '$1***', $dsn) ?? '';
    }
}
