<?php

declare(strict_types=1);

namespace Lyger;

use Lyger\Config\Environment;
use Lyger\Config\File;
use Lyger\Config\Nearest;
use Lyger\Config\Rule;
use Lyger\Config\Setting;
use Lyger\Config\Source;
use Lyger\Exception\InvalidConfig;
use SensitiveParameter;

/**
 * The settings: flags before the environment (LYGER_QUEUE_MAX for queue_max) before lyger.toml before the defaults.
 *
 * Times are in milliseconds, sizes in bytes. Why each number is what it is stands in rust/front/config.rs.
 */
final class Config
{
    private const DAY_MS = 86_400_000;
    /** The default that depends on the machine. */
    private const CORES = 'cores';
    private const WORKERS_MAX = 1024;
    /** What the server for Redis clients takes. */
    private const RESP = 'resp.';

    /** By key the default, and the smallest and largest value or the possible ones; Config\Rule reads them. */
    public const KEYS = [
        'host' => '127.0.0.1',
        'port' => [8000, 0, 65_535],
        'workers' => [self::CORES, 1, self::WORKERS_MAX],
        'concurrency' => [1, 1, 128],
        'front' => ['axum', ['axum', 'uring']],
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
        'watch' => [false, [true, false, 'poll']],
        'debug' => false,
        'trusted_proxies' => [],
        'db.connections_max' => [16, 1, 10_000],
        'db.acquire_timeout_ms' => [3_000, 1, self::DAY_MS],
        'db.statement_timeout_ms' => [30_000, 0, self::DAY_MS],
        'db.idle_timeout_ms' => [600_000, 1_000, self::DAY_MS],
        'db.lifetime_ms' => [1_800_000, 1_000, self::DAY_MS],
        'db.result_bytes_max' => [67_108_864, 1, 4_294_967_295],
        'cache.bytes_max' => [67_108_864, 1, 1_099_511_627_776],
        'cache.copies_bytes_max' => [1_048_576, 0, 1_099_511_627_776],
        'cache.dsn' => ['', Rule::DSN],
        'session.store' => ['php', ['php', 'cache']],
        'session.ttl_s' => [0, 0, 31_536_000],
        'session.lock' => true,
        'session.lock_ttl_ms' => [60_000, 1_000, self::DAY_MS],
        'session.lock_wait_ms' => [10_000, 0, self::DAY_MS],
        'resp.listen' => ['', Rule::ADDRESS],
        'resp.threads' => [0, 0, 128],
        'resp.password' => ['', Rule::SECRET],
        'resp.snapshot' => ['', Rule::PATH],
        'resp.backlog' => [1_024, 1, 65_535],
        'resp.buffer_bytes' => [16_384, 1_024, 16_777_216],
        'resp.clients_max' => [10_000, 1, 1_048_576],
        'resp.idle_timeout_s' => [0, 0, 2_147_483_647],
        'resp.bulk_bytes_max' => [536_870_912, 1_048_576, 536_870_912],
        'resp.inline_bytes_max' => [65_536, 1_024, 1_073_741_824],
        'resp.args_max' => [1_048_576, 16, 1_073_741_824],
        'resp.request_bytes_max' => [1_073_741_824, 1_048_576, 4_294_967_295],
        'resp.reply_bytes_max' => [1_048_576, 1_024, 1_099_511_627_776],
        'resp.one_reply_bytes_max' => [1_073_741_824, 1_048_576, 1_099_511_627_776],
        'resp.push_bytes_max' => [33_554_432, 1_024, 1_099_511_627_776],
        'resp.subscription_bytes_max' => [67_108_864, 1_024, 1_099_511_627_776],
        'resp.clients_bytes_max' => [2_147_483_648, 1_048_576, 1_099_511_627_776],
        'resp.transaction_bytes_max' => [1_073_741_824, 1_048_576, 1_099_511_627_776],
        'resp.slow_us' => [10_000, 0, 3_600_000_000],
        'resp.slow_entries_max' => [128, 0, 1_048_576],
        'vector.dimension_max' => [65_536, 1, 16_777_216],
        'vector.bytes_max' => [4_294_967_296, 1, 1_099_511_627_776],
        'vector.threads' => [0, 0, 1_024],
    ];

    /** Which cache is asked, and what PHP keeps of it, is not the engine's to know. @internal */
    public const OF_PHP = ['cache.copies_bytes_max', 'cache.dsn'];

    /** Flags that are shorter than their keys, as other servers have them. */
    public const ALIASES = [
        'max_requests' => 'requests_per_worker_max',
        'max_memory' => 'memory_per_worker_bytes_max',
        'resp' => 'resp.listen',
    ];

    /** @param array<string, Setting> $settings by key, all of them */
    private function __construct(private readonly array $settings)
    {
    }

    /**
     * What a program gives before the environment before a file before the defaults.
     *
     * @param array<string, mixed> $given by key; strings are read as on a command line
     * @param string|null $file a lyger.toml
     */
    public static function resolve(array $given = [], ?string $file = null): self
    {
        return self::layered(self::given($given), $file);
    }

    /**
     * The same with what a program gives before all of it, and the environment as it is now.
     *
     * @param array<string, mixed> $given as resolve() takes it
     */
    public function with(#[SensitiveParameter] array $given): self
    {
        $of = fn (Source ...$sources): array => array_filter(
            $this->settings,
            static fn (Setting $setting): bool => in_array($setting->source, $sources, true),
        );
        $first = self::given($given) + $of(Source::Code, Source::Flag) + Environment::settings();
        return new self(array_replace(self::defaults(), $first + $of(Source::File)));
    }

    /**
     * @param array<string, mixed> $given by key
     * @return array<string, Setting> by key
     */
    private static function given(#[SensitiveParameter] array $given): array
    {
        $code = [];
        foreach ($given as $key => $value) {
            if (!array_key_exists($key, self::KEYS)) {
                throw InvalidConfig::unknown((string) $key, self::nearestKey((string) $key));
            }
            if ($value !== null) {
                $code[$key] = Rule::of($key)->setting($value, Source::Code, '');
            }
        }
        return $code;
    }

    /**
     * The same of a command's flags.
     *
     * @param array<string, array{string, string|bool}> $flags by key: the flag as it was written, and its value
     */
    public static function ofFlags(array $flags, ?string $file = null): self
    {
        $settings = [];
        foreach ($flags as $key => [$flag, $value]) {
            $settings[$key] = Rule::of($key)->setting($value, Source::Flag, $flag);
        }
        return self::layered($settings, $file);
    }

    /** @param array<string, Setting> $first by key */
    private static function layered(array $first, ?string $file): self
    {
        $found = $first + Environment::settings() + ($file === null ? [] : File::settings($file));
        // In the order of the keys.
        return new self(array_replace(self::defaults(), $found));
    }

    /** @return array<string, Setting> by key */
    private static function defaults(): array
    {
        $settings = [];
        foreach (array_keys(self::KEYS) as $key) {
            $default = Rule::of($key)->default();
            $settings[$key] = new Setting($default === self::CORES ? self::cores() : $default);
        }
        return $settings;
    }

    /** The key that somebody may have meant. */
    public static function nearestKey(string $name): ?string
    {
        return self::ALIASES[$name] ?? Nearest::to($name, array_keys(self::KEYS));
    }

    /** @return array<string, Setting> by key, all of them */
    public function settings(): array
    {
        return $this->settings;
    }

    /** Whether somebody has set it, to whatever value. */
    public function isAsked(string $key): bool
    {
        return $this->settings[$key]->isAsked();
    }

    /**
     * The same with the defaults of some keys, as if nobody had set them.
     *
     * @param list<string> $keys
     */
    public function without(array $keys): self
    {
        return new self(array_replace($this->settings, array_intersect_key(self::defaults(), array_flip($keys))));
    }

    public function int(string $key): int
    {
        return (int) $this->settings[$key]->plain();
    }

    public function text(string $key): string
    {
        return (string) $this->settings[$key]->plain();
    }

    public function bool(string $key): bool
    {
        return (bool) $this->settings[$key]->plain();
    }

    /** @return list<string> */
    public function list(string $key): array
    {
        return (array) $this->settings[$key]->plain();
    }

    /** Whether changed code is loaded by itself, and 'poll' where it is to be looked for. */
    public function watch(): bool|string
    {
        return $this->settings['watch']->plain();
    }

    /** What the engine's server takes, as JSON. */
    public function forServer(): string
    {
        $foreign = array_flip([
            'workers',
            'watch',
            'cache.bytes_max',
            'cache.copies_bytes_max',
            'cache.dsn',
            'session.store',
            'session.ttl_s',
            'session.lock',
            'session.lock_ttl_ms',
            'session.lock_wait_ms',
            'vector.dimension_max',
            'vector.bytes_max',
            'vector.threads',
            'requests_per_worker_max',
            'memory_per_worker_bytes_max',
        ]);
        return json_encode(array_diff_key($this->values(), $foreign), JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
    }

    /** What lyger_resp_start takes, as JSON: {"listen":"127.0.0.1:6380","threads":0,...} */
    public function forResp(): string
    {
        $settings = [];
        foreach ($this->values() as $key => $value) {
            if (str_starts_with($key, self::RESP)) {
                $settings[substr($key, strlen(self::RESP))] = $value;
            }
        }
        return json_encode($settings, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
    }

    /**
     * What is no default, as JSON for resolve() in a process with the same environment, which finds out the same. Redis
     * clients are the front's, and a password has no place in a command line.
     */
    public function forWorker(): string
    {
        $isWorkers = fn (string $key): bool => $this->isAsked($key) && !str_starts_with($key, self::RESP);
        $asked = array_filter($this->values(), $isWorkers, ARRAY_FILTER_USE_KEY);
        return json_encode((object) $asked, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES);
    }

    /** What the engine takes outside of its server, as JSON: {"db":{"connections_max":16,...},"cache":{...},"vector":{...}} */
    public function forEngine(): string
    {
        $settings = [];
        foreach ($this->values() as $key => $value) {
            [$section, $name] = [...explode('.', $key, 2), ''];
            if (in_array($section, ['db', 'cache', 'vector'], true) && !in_array($key, self::OF_PHP, true)) {
                $settings[$section][$name] = $value;
            }
        }
        return json_encode($settings, JSON_THROW_ON_ERROR);
    }

    /** @return array<string, string|int|bool|list<string>> by key, all of them */
    private function values(): array
    {
        return array_map(static fn (Setting $setting): string|int|bool|array => $setting->plain(), $this->settings);
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
