<?php

declare(strict_types=1);

namespace Lyger\Core;

use Closure;
use Lyger\Async\Operations;
use Lyger\Cache\Driver;
use Lyger\Config;
use Lyger\Config\Secret;
use Lyger\Database\Client;
use Lyger\Database\Form;
use Lyger\Database\Options;
use Lyger\Database\RowShape;
use Lyger\Database\TransactionState;
use Lyger\Exception\EngineMissing;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\LygerException;
use Lyger\Server\Shape;
use Lyger\Vector\Store;
use SensitiveParameter;

/**
 * The engine, as any PHP script uses it.
 *
 * It is the native library where that can be loaded, else the same in pure PHP, slower; LYGER_ENGINE=required makes an
 * exception of that, LYGER_ENGINE=php chooses it. Every failure is a LygerException: nothing returns 0, '' or '[]' in
 * its place.
 *
 *     $json = Engine::getInstance()->dbQueryJson('sqlite:shop.sqlite', 'SELECT id, name FROM products');
 */
final class Engine
{
    /** Of this package, which the library's is the same as. */
    public const VERSION = '0.1.0';

    /** What `workers` must be where PHP's main thread is the one worker. */
    public const CONCURRENCY = '1: this server is one process, and the workers of rawr serve have Fibers';
    public const WORKERS = '1: this server is one process, and rawr serve has several workers';

    /** Every integer up to it is a float as well. */
    private const ITERATIONS_MAX = 2 ** 53;

    private static ?self $instance = null;

    private readonly Backend $backend;
    private readonly ?string $fallbackReason;
    private ?Driver $ownCache = null; // beside those of DSNs: a get is short enough for a look into an array to count
    /** @var array<string, Driver> by DSN, which is hashed, because whoever prints the engine prints its keys as well */
    private array $caches = [];
    private ?Secret $cacheDsn = null;
    private ?Config $config = null;

    private function __construct()
    {
        $mode = getenv('LYGER_ENGINE') ?: 'auto';
        if (!in_array($mode, ['auto', 'required', 'php'], true)) {
            throw InvalidConfig::impossible('LYGER_ENGINE', $mode, 'auto, required or php');
        }
        $backend = null;
        $reason = $mode === 'php' ? 'LYGER_ENGINE=php' : null;
        if ($mode !== 'php') {
            try {
                $backend = NativeEngine::load(new Library());
            } catch (InvalidConfig $exception) {
                throw $exception;
            } catch (LygerException $exception) {
                $reason = $exception->getMessage();
                if ($mode === 'required') {
                    throw EngineMissing::because($reason);
                }
                error_log("Lyger runs in pure PHP, slower, because $reason");
            }
        }
        $this->fallbackReason = $reason;
        $this->backend = $backend ?? new PhpEngine((string) $reason);
    }

    public static function getInstance(): self
    {
        return self::$instance ??= new self();
    }

    /** native or php */
    public function name(): string
    {
        return $this->backend->name();
    }

    public function isNative(): bool
    {
        return $this->fallbackReason === null;
    }

    /** Why pure PHP runs; null where the library does. */
    public function fallbackReason(): ?string
    {
        return $this->fallbackReason;
    }

    /** "Hello from Rust! 🦀" */
    public function helloWorld(): string
    {
        return $this->backend->helloWorld();
    }

    /** The sum over i in 0..$iterations of sqrt(i) * sin(i): something to compute, for benchmarks. */
    public function heavyComputation(int $iterations = 1000000): float
    {
        if ($iterations < 0) {
            throw InvalidArgument::because("iterations cannot be negative, as $iterations is", (string) $iterations);
        }
        if ($iterations > self::ITERATIONS_MAX) {
            throw InvalidArgument::because("iterations are at most 2^53, and not $iterations", (string) $iterations);
        }
        return $this->backend->heavyComputation($iterations);
    }

    /**
     * JSON: framework, status, tokio_runtime, async_enabled, total_memory, version, abi, kernels, cpu, shape (plain, or
     * solo while a server runs), pid, engine, fallback.
     */
    public function systemInfo(): string
    {
        $info = $this->backend->systemInfo();
        $info += ['engine' => $this->name(), 'fallback' => $this->fallbackReason];
        // The reason holds a path, which may have any bytes.
        $flags = JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
        return (string) json_encode($info, $flags);
    }

    /** Sets the limits of databases, cache and vectors, before their first use, and what servers of it begin with. */
    public function configure(Config $config): void
    {
        $this->backend->configure($config);
        $this->config = $config;
        $this->cacheDsn = new Secret($config->text('cache.dsn'));
    }

    /**
     * Runs a statement; the result stays in the engine until freeResult().
     *
     * @param array<mixed> $params bound: null, bool, int, float, string (UTF-8) and Lyger\Database\Bytes
     * @return int the result's id
     */
    public function dbQuery(#[SensitiveParameter] string $dsn, string $query, array $params = []): int
    {
        return $this->dbExecute($dsn, $query, $params);
    }

    /**
     * dbQuery() with options.
     *
     * @param array<mixed> $params
     */
    public function dbExecute(
        #[SensitiveParameter] string $dsn,
        string $query,
        array $params = [],
        ?Options $options = null,
    ): int {
        $transaction = Client::current()->transaction($dsn);
        $transaction->admit($query);
        try {
            return $this->backend->execute($dsn, $query, $params, $options);
        } catch (LygerException $exception) {
            throw $transaction->failed($exception);
        }
    }

    /**
     * Runs a statement and gives its rows in one form. Nothing is left to free.
     *
     * @param array<mixed> $params
     * @return string|list<mixed> as the form says
     */
    public function fetch(
        #[SensitiveParameter] string $dsn,
        string $query,
        array $params,
        Form $form,
        ?Options $options = null,
    ): string|array {
        $transaction = Client::current()->transaction($dsn);
        $transaction->admit($query);
        try {
            return $this->backend->fetch($dsn, $query, $params, $options, $form);
        } catch (LygerException $exception) {
            throw $transaction->failed($exception);
        }
    }

    /** A result's rows as a JSON array of objects. */
    public function jsonifyResult(int $ptr): string
    {
        return $this->backend->json($ptr);
    }

    /**
     * A result's rows in a shape; null where a single row is asked for and there is none.
     *
     * @param int $total how many rows there are on all pages
     */
    public function shapedResult(int $ptr, RowShape $shape, int $total = 0): ?string
    {
        return $this->backend->shaped($ptr, $shape, $total);
    }

    /**
     * @param int $from the first row, counted from 0
     * @param int|null $count how many at most; null for all that follow
     * @return list<array<string, mixed>> a result's rows as PHP values
     */
    public function resultRows(int $ptr, int $from = 0, ?int $count = null): array
    {
        if ($from < 0 || $count < 0) {
            throw InvalidArgument::because('rows are counted from 0, and none is before it');
        }
        return $this->backend->rows($ptr, $from, $count);
    }

    /** @return list<mixed> the values of a result's first column, whatever others are named; none without a column */
    public function resultColumn(int $ptr): array
    {
        return $this->backend->column($ptr);
    }

    /** How many rows there are, how many were affected, and the id that an INSERT generated. */
    public function resultInfo(int $ptr): ResultInfo
    {
        return $this->backend->describe($ptr);
    }

    public function freeResult(int $ptr): void
    {
        $this->backend->free($ptr);
    }

    /**
     * dbQuery(), jsonifyResult() and freeResult() in one call.
     *
     * @param array<mixed> $params
     */
    public function dbQueryJson(#[SensitiveParameter] string $dsn, string $query, array $params = []): string
    {
        return $this->fetch($dsn, $query, $params, Form::Json);
    }

    /**
     * Runs a statement, gives its result's id to $use, and frees it whatever happens.
     *
     * @template T
     * @param array<mixed> $params
     * @param callable(int): T $use
     * @return T
     */
    public function with(
        #[SensitiveParameter] string $dsn,
        string $query,
        array $params,
        callable $use,
        ?Options $options = null,
    ): mixed {
        $result = $this->dbExecute($dsn, $query, $params, $options);
        try {
            return $use($result);
        } finally {
            $this->backend->free($result);
        }
    }

    /**
     * Runs a statement whose rows are asked for with nextChunk(): Db::stream() does.
     *
     * @param array<mixed> $params
     * @return int the stream's id, for closeStream()
     */
    public function openStream(#[SensitiveParameter] string $dsn, string $query, array $params, Options $options): int
    {
        $open = fn (): int => $this->backend->openStream($dsn, $query, $params, $options);
        return Client::current()->transaction($dsn)->during($query, $open);
    }

    /** @return list<array<string, mixed>>|null the next rows of a stream, null behind the last */
    public function nextChunk(int $stream): ?array
    {
        return $this->backend->nextChunk($stream);
    }

    public function closeStream(int $stream): void
    {
        $this->backend->closeStream($stream);
    }

    /**
     * Whether this request (or this process) has left something on a connection here, such as a transaction: the server
     * would not see it.
     *
     * @internal
     */
    public function keepsConnection(#[SensitiveParameter] string $dsn): bool
    {
        return $this->backend->keepsConnection($dsn);
    }

    /**
     * Where the transaction of this request (or this process) stands, if that can be told without a statement.
     *
     * @internal Lyger\Database\Transaction asks for it.
     */
    public function transactionState(#[SensitiveParameter] string $dsn): ?TransactionState
    {
        return $this->backend->transactionState($dsn);
    }

    /** @internal Lyger\Database\Client calls it when a request has ended. */
    public function endClient(): void
    {
        $this->backend->endClient();
    }

    /**
     * @internal Lyger\Async\Operations asks for it.
     * @return list<int> the operations that have ended
     */
    public function finishedOperations(int $waitMs): array
    {
        return $this->backend->finishedOperations($waitMs);
    }

    /** @internal */
    public function cancelOperation(int $operation): void
    {
        $this->backend->cancelOperation($operation);
    }

    /** @internal Lyger\Vector\Index::of() asks for it. */
    public function vectors(int $dimension): Store
    {
        return $this->backend->vectors($dimension);
    }

    /** @internal Lyger\Vector\Index::load() asks for it. */
    public function loadVectors(string $path): Store
    {
        return $this->backend->loadVectors($path);
    }

    public function cacheSet(string $key, string $value): void
    {
        $this->cache()->put($key, $value, 0);
    }

    /** The value, or '' when there is none: cacheFind() tells the difference. */
    public function cacheGet(string $key): string
    {
        return $this->cache()->find($key) ?? '';
    }

    public function cacheFind(string $key): ?string
    {
        return ($this->ownCache ??= $this->cache())->find($key);
    }

    public function cacheDelete(string $key): void
    {
        $this->cache()->delete($key);
    }

    /** cacheDelete() that tells whether the key was there. */
    public function cacheForget(string $key): bool
    {
        return $this->cache()->delete($key);
    }

    public function cacheClear(): void
    {
        $this->cache()->clear();
    }

    /**
     * The cache that a DSN names; with '' the process's own, which the workers of a fleet share.
     *
     * @param string|null $dsn null stands for the setting cache.dsn
     * @internal Lyger\Cache\Store is what a program uses.
     */
    public function cache(#[SensitiveParameter] ?string $dsn = ''): Driver
    {
        $dsn ??= ($this->cacheDsn ??= new Secret(Config::resolve()->text('cache.dsn')))->text();
        // One for each DSN, so that each has its connections once in a process.
        return $dsn === ''
            ? $this->ownCache ??= $this->backend->cache('')
            : $this->caches[hash('sha256', $dsn)] ??= $this->backend->cache($dsn);
    }

    public function cacheSize(): int
    {
        return $this->cache()->size();
    }

    /**
     * Serves HTTP until stopServer() or a signal (SIGINT, SIGTERM) has drained the server: with the settings of
     * configure(), or else those of the environment, and on 127.0.0.1 unless they say something else.
     *
     * @param callable $routerHandler is given a Lyger\Http\Request and returns a Response, text, an array or nothing
     * @param int $port whatever the settings say
     */
    public function startServer(callable $routerHandler, int $port = 8000): void
    {
        $this->serve($routerHandler, $this->configWith(['port' => $port]));
    }

    /** startServer() with every setting. $listening is called with the port once connections are accepted. */
    public function serve(callable $handler, Config $config, ?Closure $listening = null): void
    {
        $workers = $config->int('workers');
        if ($workers > 1 && $config->isAsked('workers')) {
            throw InvalidConfig::impossible('workers', (string) $workers, self::WORKERS);
        }
        $concurrency = $config->int('concurrency');
        if ($concurrency > 1) {
            throw InvalidConfig::impossible('concurrency', (string) $concurrency, self::CONCURRENCY);
        }
        foreach (($this->isNative() ? Shape::Solo : Shape::Php)->unhonoured($config) as $told) {
            error_log("Lyger: $told");
        }
        $this->backend->serve(Closure::fromCallable($handler), $config, $listening);
    }

    /**
     * The native engine, for what pure PHP has no part in: the processes of a fleet. Null without it.
     *
     * @internal
     */
    public function native(): ?NativeEngine
    {
        return $this->backend instanceof NativeEngine ? $this->backend : null;
    }

    /**
     * Begins the drain: running requests end, new ones are refused. Returns at once.
     *
     * Without a server: ServerFailed. The same in a worker of `rawr serve`, whose server is not the handler's to stop.
     */
    public function stopServer(): void
    {
        $this->backend->stopServer();
    }

    /**
     * Serves this process's cache to Redis clients until stopResp(), with threads of the engine's: from then on the
     * process must not fork.
     *
     *     $port = $engine->startResp(['listen' => '127.0.0.1:0']);
     *
     * @param array<string, string|int> $settings by the names behind `resp.` (README.md); behind them count those of
     *     configure(), or else the environment, and without `listen` it is 127.0.0.1:6380
     * @return int the port
     */
    public function startResp(#[SensitiveParameter] array $settings = []): int
    {
        $keys = array_map(static fn (string|int $name): string => "resp.$name", array_keys($settings));
        $config = $this->configWith(array_combine($keys, $settings));
        if ($config->text('resp.listen') === '') {
            $config = $config->with(['resp.listen' => '127.0.0.1:6380']);
        }
        return $this->backend->startResp($config);
    }

    /** @param array<string, mixed> $given as Config::resolve() takes it */
    private function configWith(#[SensitiveParameter] array $given): Config
    {
        return $this->config?->with($given) ?? Config::resolve($given);
    }

    /** Ends the server of startResp(), and saves the cache where `snapshot` names a file. */
    public function stopResp(): void
    {
        $this->backend->stopResp();
    }

    /** Where this process serves Redis clients, such as 127.0.0.1:6380; null where it doesn't. */
    public function respAddress(): ?string
    {
        return $this->backend->respAddress();
    }

    /**
     * Closes connections, drops results and empties the cache, unless a fleet's workers or Redis clients share it. The
     * next call starts anew.
     */
    public function release(): void
    {
        $this->backend->release();
        $this->caches = []; // closed now, and opened anew when they are asked for
        Operations::release();
    }
}
