<?php

declare(strict_types=1);

namespace Lyger;

use Lyger\Exception\InvalidConfig;

/**
 * The settings: flags before the environment (LYGER_QUEUE_MAX for queue_max) before the defaults.
 *
 * Times are in milliseconds, sizes in bytes. Why each number is what it is stands in rust/front/config.rs.
 */
final class Config
{
    private const DAY_MS = 86_400_000;
    /** The default that depends on the machine. */
    private const CORES = 'cores';
    private const WORKERS_MAX = 1024;

    /** Default, smallest and largest value by key; other kinds of value have no range. */
    public const KEYS = [
        'host' => '127.0.0.1',
        'port' => [8000, 0, 65_535],
        'workers' => [self::CORES, 1, self::WORKERS_MAX],
        'queue_max' => [1024, 1, 1_000_000],
        'queue_timeout_ms' => [10_000, 1, self::DAY_MS],
        'half_close_timeout_ms' => [1_000, 1, self::DAY_MS],
        'request_timeout_ms' => [30_000, 1, self::DAY_MS],
        'head_timeout_ms' => [10_000, 1, self::DAY_MS],
        'body_idle_timeout_ms' => [30_000, 1, self::DAY_MS],
        'idle_timeout_ms' => [30_000, 1, self::DAY_MS],
        'write_timeout_ms' => [5_000, 1, self::DAY_MS],
        'head_bytes_max' => [16_384, 8192, 1_048_576],
        'header_count_max' => [100, 1, 1_000],
        'uri_bytes_max' => [8_192, 16, 65_534],
        'body_bytes_max' => [8_388_608, 0, 1_073_741_824],
        'requests_per_worker_max' => [0, 0, 1_000_000_000],
        'memory_per_worker_bytes_max' => [0, 0, 1_099_511_627_776],
        'drain_timeout_ms' => [30_000, 0, self::DAY_MS],
        'debug' => false,
        'trusted_proxies' => [],
        'db.connections_max' => [16, 1, 10_000],
        'db.acquire_timeout_ms' => [3_000, 1, self::DAY_MS],
        'db.statement_timeout_ms' => [30_000, 0, self::DAY_MS],
        'db.result_bytes_max' => [67_108_864, 1, 4_294_967_295],
        'cache.bytes_max' => [67_108_864, 1, 1_099_511_627_776],
    ];

    /**
     * @param array<string, string|int|bool|list<string>> $values by key, all of them
     * @param array<string, true> $asked by key, those that are no defaults
     */
    private function __construct(private readonly array $values, private readonly array $asked)
    {
    }

    /** @param array<string, mixed> $given by key; strings are read as on a command line */
    public static function resolve(array $given = []): self
    {
        foreach (array_keys($given) as $key) {
            if (!array_key_exists($key, self::KEYS)) {
                throw InvalidConfig::unknown((string) $key);
            }
        }
        $values = [];
        $asked = [];
        foreach (self::KEYS as $key => $default) {
            $variable = self::variable($key);
            $environment = getenv($variable);
            if (isset($given[$key])) {
                $values[$key] = self::read($key, $key, $given[$key], $default);
                $asked[$key] = true;
            } elseif ($environment !== false && $environment !== '') {
                $values[$key] = self::read($key, $variable, $environment, $default);
                $asked[$key] = true;
            } elseif ($default === self::KEYS['workers']) {
                $values[$key] = self::cores();
            } else {
                $values[$key] = is_array($default) && $default !== [] ? $default[0] : $default;
            }
        }
        return new self($values, $asked);
    }

    /** Whether somebody has set it, to whatever value. */
    public function isAsked(string $key): bool
    {
        return isset($this->asked[$key]);
    }

    /** The same for a server of one process, whatever number of workers was asked for. */
    public function alone(): self
    {
        return new self(['workers' => 1] + $this->values, $this->asked);
    }

    /** The environment's name for a key. */
    public static function variable(string $key): string
    {
        return 'LYGER_' . strtoupper(strtr($key, '.', '_'));
    }

    public function int(string $key): int
    {
        return (int) $this->values[$key];
    }

    public function text(string $key): string
    {
        return (string) $this->values[$key];
    }

    public function bool(string $key): bool
    {
        return (bool) $this->values[$key];
    }

    /** @return list<string> */
    public function list(string $key): array
    {
        return (array) $this->values[$key];
    }

    /** What the engine's server takes, as JSON. */
    public function forServer(): string
    {
        $foreign = array_flip(['workers', 'cache.bytes_max', 'requests_per_worker_max', 'memory_per_worker_bytes_max']);
        // Text that is not UTF-8 is no address either: the engine says which key is wrong.
        $flags = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE;
        return json_encode(array_diff_key($this->values, $foreign), $flags);
    }

    /** What the engine takes outside of its server, as JSON: {"db":{"connections_max":16,...},"cache":{...}} */
    public function forEngine(): string
    {
        $settings = [];
        foreach ($this->values as $key => $value) {
            if (str_starts_with($key, 'db.') || str_starts_with($key, 'cache.')) {
                [$section, $name] = explode('.', $key, 2);
                $settings[$section][$name] = $value;
            }
        }
        return json_encode($settings, JSON_THROW_ON_ERROR);
    }

    private static function read(string $key, string $name, mixed $value, mixed $default): string|int|bool|array
    {
        $shown = is_scalar($value) ? var_export($value, true) : get_debug_type($value);
        if (is_bool($default)) {
            return filter_var($value, FILTER_VALIDATE_BOOL, FILTER_NULL_ON_FAILURE)
                ?? throw InvalidConfig::impossible($name, trim($shown, "'"), 'true or false');
        }
        if (is_string($default)) {
            // The host: a name may have several addresses, of which a server would take one.
            return is_string($value) && ($value === 'localhost' || filter_var($value, FILTER_VALIDATE_IP) !== false)
                ? $value
                : throw InvalidConfig::impossible($name, trim($shown, "'"), 'an IP address or localhost');
        }
        if ($default === []) {
            $items = is_string($value) ? explode(',', $value) : $value;
            if (!is_array($items) || array_filter($items, is_string(...)) !== $items) {
                throw InvalidConfig::impossible($name, $shown, 'a list of addresses and networks');
            }
            foreach ($items as $item) {
                // Refused here: the processes of a fleet are told their settings in JSON, which is UTF-8.
                preg_match('//u', $item) === 1
                    || throw InvalidConfig::impossible($name, $item, 'a list of addresses and networks');
            }
            return array_values(array_filter(array_map(trim(...), $items), static fn (string $item) => $item !== ''));
        }
        [, $min, $max] = $default;
        $number = is_string($value) && preg_match('/^\d{1,18}$/D', $value) === 1 ? (int) $value : $value;
        return is_int($number) && $number >= $min && $number <= $max
            ? $number
            : throw InvalidConfig::impossible($name, trim($shown, "'"), "an integer from $min to $max");
    }

    /** Those that this process may run on, which in a container can be fewer than the machine has. */
    private static function cores(): int
    {
        $status = PHP_OS_FAMILY === 'Linux' ? (string) @file_get_contents('/proc/self/status') : '';
        if (preg_match('/^Cpus_allowed_list:\s*([\d,-]+)$/m', $status, $match) !== 1) {
            return 1;
        }
        $count = 0;
        foreach (explode(',', $match[1]) as $range) {
            [$first, $last] = explode('-', "$range-$range");
            $count += (int) $last - (int) $first + 1;
        }
        return max(1, min($count, self::WORKERS_MAX));
    }
}
