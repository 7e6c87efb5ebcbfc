<?php

declare(strict_types=1);

namespace Lyger\Core;

use Closure;
use Generator;
use Lyger\Async\Strand;
use Lyger\Cache\Driver;
use Lyger\Cache\Fallback\RedisCache;
use Lyger\Config;
use Lyger\Database\Fallback\Connections;
use Lyger\Database\Fallback\Shaped;
use Lyger\Database\Fallback\Table;
use Lyger\Database\Form;
use Lyger\Database\Options;
use Lyger\Database\Params;
use Lyger\Database\RowShape;
use Lyger\Database\TransactionState;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\InvalidHandle;
use Lyger\Exception\ServerFailed;
use Lyger\Server\StreamServer;
use Lyger\Vector\Fallback\Limits;
use Lyger\Vector\Fallback\Rows;
use Lyger\Vector\Store;
use SensitiveParameter;

/** The engine in pure PHP: PHP's database drivers, an array for the cache, a plain stream server. */
final class PhpEngine implements Backend
{
    /** As in rust/ffi: what MariaDB takes by default too. */
    private const SQL_BYTES_MAX = 16 << 20;

    private ?Config $config = null;
    /** @var array<int, Connections> by the number of the strand that asks; 0 outside of any */
    private array $connections = [];
    /** @var array<int, Connections> by stream */
    private array $streams = [];
    private ?PhpCache $cache = null;
    /** What these were made with: from then on another value would be a lie. */
    private ?Config $connectionsConfig = null;
    private ?Config $cacheConfig = null;
    private ?Config $vectorConfig = null;
    private ?StreamServer $server = null;
    /** @var array<int, Table> */
    private array $results = [];
    /** @var array<int, string> JSON by result, made once */
    private array $json = [];
    private int $lastResult = 0;

    public function __construct(private readonly string $reason)
    {
    }

    public function name(): string
    {
        return 'php';
    }

    public function helloWorld(): string
    {
        return 'Hello from Rust! 🦀';
    }

    public function heavyComputation(int $iterations): float
    {
        $sum = 0.0;
        for ($i = 0; $i < $iterations; $i++) {
            $sum += sqrt($i) * sin($i);
        }
        return $sum;
    }

    public function systemInfo(): array
    {
        return [
            'framework' => 'Lyger v0.1',
            'status' => 'running',
            'tokio_runtime' => 'absent',
            'async_enabled' => false,
            'total_memory' => Machine::totalMemoryBytes(),
            'version' => Engine::VERSION,
            'abi' => Library::ABI_VERSION,
            'kernels' => 'php',
            'cpu' => Machine::cpu(),
            'shape' => $this->server === null ? 'plain' : 'solo',
            'pid' => (int) getmypid(),
        ];
    }

    public function configure(Config $config): void
    {
        foreach (array_keys(Config::KEYS) as $key) {
            $used = match (strstr($key, '.', true)) {
                'db' => $this->connectionsConfig,
                'cache' => $this->cacheConfig,
                'vector' => $this->vectorConfig,
                default => null,
            };
            if ($used !== null && !in_array($key, Config::OF_PHP, true) && $used->int($key) !== $config->int($key)) {
                throw InvalidConfig::inUse($key, $used->int($key));
            }
        }
        $this->config = $config;
    }

    public function execute(
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        ?Options $options = null,
    ): int {
        self::check($sql);
        $params = Params::normalize($params);
        $table = $this->connections($this->config, $dsn)->query($dsn, $sql, $params, $options ?? new Options());
        $this->results[++$this->lastResult] = $table;
        return $this->lastResult;
    }

    /** What the native engine refuses at its boundary: PHP's drivers would run a part of it, or throw errors of PHP. */
    private static function check(string $sql): void
    {
        if (strlen($sql) > self::SQL_BYTES_MAX) {
            throw InvalidArgument::because('sql has ' . strlen($sql) . ' bytes and may have ' . self::SQL_BYTES_MAX);
        }
        if (preg_match('//u', $sql) !== 1) {
            throw InvalidArgument::because('sql is not UTF-8');
        }
        $at = strpos($sql, "\0");
        if ($at !== false) {
            $reason = "sql has a NUL byte at $at: bind values instead of writing them into the text";
            throw InvalidArgument::because($reason, (string) $at);
        }
    }

    public function fetch(
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        ?Options $options,
        Form $form,
    ): string|array {
        $result = $this->execute($dsn, $sql, $params, $options);
        try {
            $table = $this->table($result);
            return match ($form) {
                Form::Rows => $table->assoc(),
                Form::FirstRow => $table->slice(0, 1)->assoc(),
                Form::FirstColumn => $table->column(0),
                Form::FirstValue => $table->slice(0, 1)->column(0),
                Form::Json => $table->json(),
            };
        } finally {
            $this->free($result);
        }
    }

    public function describe(int $result): ResultInfo
    {
        $table = $this->table($result);
        return new ResultInfo(count($table->rows), count($table->columns), $table->affected, $table->lastInsertId);
    }

    public function json(int $result): string
    {
        return $this->json[$result] ??= $this->table($result)->json();
    }

    public function shaped(int $result, RowShape $shape, int $total): ?string
    {
        return Shaped::body($this->table($result), $shape, $total);
    }

    public function rows(int $result, int $from = 0, ?int $count = null): array
    {
        $table = $this->table($result);
        return ($from === 0 && $count === null ? $table : $table->slice($from, $count))->assoc();
    }

    public function column(int $result): array
    {
        return $this->table($result)->column(0);
    }

    public function free(int $result): void
    {
        $this->table($result);
        unset($this->results[$result], $this->json[$result]);
    }

    public function openStream(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int
    {
        self::check($sql);
        $connections = $this->connections($this->config, $dsn);
        $stream = $connections->openStream($dsn, $sql, Params::normalize($params), $options);
        $this->streams[$stream] = $connections;
        return $stream;
    }

    public function nextChunk(int $stream): ?array
    {
        return $this->nextTable($stream)?->assoc();
    }

    public function closeStream(int $stream): void
    {
        if (isset($this->streams[$stream])) {
            $this->streams[$stream]->closeStream($stream);
            unset($this->streams[$stream]);
        }
    }

    public function keepsConnection(#[SensitiveParameter] string $dsn): bool
    {
        return ($this->connections[self::strand($dsn)] ?? null)?->keeps($dsn) === true;
    }

    public function transactionState(#[SensitiveParameter] string $dsn): ?TransactionState
    {
        return null; // PDO tells what it has begun itself
    }

    public function endClient(): void
    {
        $strand = Strand::number();
        $connections = $this->connections[$strand] ?? null;
        $connections?->end();
        $this->streams = array_filter($this->streams, static fn (Connections $of): bool => $of !== $connections);
        if ($strand !== 0) {
            unset($this->connections[$strand]);
        }
    }

    /** PHP's drivers do nothing while others run: there is never one. */
    public function finishedOperations(int $waitMs): array
    {
        usleep($waitMs * 1_000);
        return [];
    }

    public function cancelOperation(int $operation): void
    {
    }

    public function vectors(int $dimension): Store
    {
        return new Rows($dimension, $this->vectorLimits(), $this->tables(...));
    }

    public function loadVectors(string $path): Store
    {
        return Rows::load($path, $this->vectorLimits(), $this->tables(...));
    }

    public function cache(#[SensitiveParameter] string $dsn): Driver
    {
        if ($dsn !== '') {
            return RedisCache::open($dsn);
        }
        return $this->cache ??= new PhpCache(function (): int {
            $this->cacheConfig ??= $this->config ?? Config::resolve();
            return $this->cacheConfig->int('cache.bytes_max');
        });
    }

    public function serve(Closure $handler, Config $config, ?Closure $listening): void
    {
        // Those that are open stay: a database in memory lives in its connection.
        $this->connections($config);
        $this->server = new StreamServer($handler, $config, $this->reason);
        try {
            $this->server->run($listening);
        } finally {
            $this->server = null;
        }
    }

    public function stopServer(): void
    {
        if ($this->server === null) {
            throw ServerFailed::because('no server runs: start one');
        }
        $this->server->stop();
    }

    public function startResp(Config $config): int
    {
        throw ServerFailed::because("pure PHP has no server for Redis clients, and it runs because {$this->reason}");
    }

    public function stopResp(): void
    {
        throw ServerFailed::because('no server for Redis clients runs: start one');
    }

    public function respAddress(): ?string
    {
        return null;
    }

    public function release(): void
    {
        $this->connections = $this->streams = [];
        $this->connectionsConfig = null;
        $this->cache?->release();
        $this->cacheConfig = $this->vectorConfig = null;
        $this->results = [];
        $this->json = [];
    }

    private function nextTable(int $stream): ?Table
    {
        return ($this->streams[$stream] ?? throw InvalidHandle::stream($stream))->nextChunk($stream);
    }

    /**
     * @param array<mixed> $params
     * @return Generator<int, Table> the rows of a statement, some at a time
     */
    private function tables(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): Generator
    {
        $stream = $this->openStream($dsn, $sql, $params, $options);
        try {
            while (($table = $this->nextTable($stream)) !== null) {
                yield $table;
            }
        } finally {
            $this->closeStream($stream);
        }
    }

    private function table(int $result): Table
    {
        return $this->results[$result] ?? throw InvalidHandle::result($result);
    }

    private function connections(?Config $config, string $dsn = ''): Connections
    {
        $this->connectionsConfig ??= $config ?? Config::resolve();
        return $this->connections[self::strand($dsn)] ??= new Connections($this->connectionsConfig);
    }

    /** Whose connection is asked. A database in memory lives in one, which is everybody's. */
    private static function strand(string $dsn): int
    {
        return $dsn === '' || str_contains($dsn, ':memory:') ? 0 : Strand::number();
    }

    private function vectorLimits(): Limits
    {
        $this->vectorConfig ??= $this->config ?? Config::resolve();
        return Limits::of($this->vectorConfig);
    }
}
