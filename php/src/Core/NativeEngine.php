<?php

declare(strict_types=1);

namespace Lyger\Core;

use Closure;
use FFI;
use FFI\CData;
use Lyger\Async\Strand;
use Lyger\Cache\Driver;
use Lyger\Config;
use Lyger\Core\Native\Abi;
use Lyger\Core\Native\CacheTable;
use Lyger\Core\Native\Call;
use Lyger\Core\Native\Chunk;
use Lyger\Core\Native\ConcurrentWorker;
use Lyger\Core\Native\Fetch;
use Lyger\Core\Native\Inbox;
use Lyger\Core\Native\LastRows;
use Lyger\Core\Native\Rows;
use Lyger\Core\Native\Shift;
use Lyger\Core\Native\Sql;
use Lyger\Core\Native\Vectors;
use Lyger\Core\Native\Worker;
use Lyger\Database\Form;
use Lyger\Database\Options;
use Lyger\Database\Params;
use Lyger\Database\RowShape;
use Lyger\Database\TransactionState;
use Lyger\Exception\EngineFailed;
use Lyger\Exception\InvalidHandle;
use Lyger\Server\Runner;
use Lyger\Server\Task;
use Lyger\Vector\Store;
use SensitiveParameter;

/** The engine by the native library. */
final class NativeEngine implements Backend
{
    /** After the drain: the engine's threads end at once, so a second is for a machine that stands still. */
    private const JOIN_MS = 1_000;
    private const BOOT_REPORT_BYTES_MAX = 65_536;
    /** Of IPv6, with its port and its zone. */
    private const ADDRESS_BYTES_MAX = 64;

    /** @var array<int, Chunk|null> what was begun of each open stream */
    private array $streams = [];
    /** @var array<int, array{Task|null, int}> whose they are */
    private array $clients = [];
    private readonly FFI $ffi;
    private readonly CData $id;
    private readonly Call $call;
    private readonly Fetch $fetch;
    private readonly Sql $sql;
    private ?Config $config = null;

    private function __construct(private readonly Abi $abi)
    {
        $this->ffi = $abi->ffi;
        $this->call = new Call($abi);
        $this->fetch = new Fetch($abi, $this->call);
        $this->id = $this->ffi->new('uint64_t');
        $this->sql = new Sql($abi, $this->call);
    }

    /** Loads the library and has it look at the environment, so that a mistake there shows at the start. */
    public static function load(Library $library): self
    {
        $abi = new Abi($library->load());
        $abi->check($abi->ffi->lyger_engine_check());
        return new self($abi);
    }

    public function name(): string
    {
        return 'native';
    }

    public function helloWorld(): string
    {
        return $this->abi->issued($this->ffi->lyger_hello_world());
    }

    public function heavyComputation(int $iterations): float
    {
        return $this->ffi->lyger_heavy_computation($iterations);
    }

    public function systemInfo(): array
    {
        $info = json_decode($this->abi->text(
            fn (CData $buffer, int $bytes, CData $needed): int
                => $this->ffi->lyger_engine_info($buffer, $bytes, $needed)
        ), true);
        return is_array($info) ? $info : throw new EngineFailed('the engine described itself in no JSON');
    }

    public function configure(Config $config): void
    {
        $json = $config->forEngine();
        $this->abi->check($this->ffi->lyger_engine_configure($json, strlen($json)));
        $this->config = $config;
    }

    public function execute(
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        ?Options $options = null,
    ): int {
        return $this->sql->run($dsn, $sql, $params, $options ?? new Options());
    }

    public function fetch(
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        ?Options $options,
        Form $form,
    ): string|array {
        // Before the engine is told who asks: what is bound may have code of its own, which others run beside.
        $packed = Params::pack($params);
        if (Sql::isLeft($dsn)) {
            return $this->sql->fetch($dsn, $sql, $packed, $options, $form, $this->fetch);
        }
        return $this->fetch->rows($dsn, $sql, $packed, $options, $form);
    }

    public function describe(int $result): ResultInfo
    {
        $info = $this->ffi->new('lyger_result_info');
        $this->abi->check($this->ffi->lyger_result_describe(self::id($result), FFI::addr($info)));
        return new ResultInfo(
            $info->rows,
            $info->columns,
            $info->affected,
            match ($info->has_last_insert_id) {
                0 => null,
                1 => $info->last_insert_id,
                2 => sprintf('%u', $info->last_insert_id),
            },
        );
    }

    public function json(int $result): string
    {
        return $this->abi->text(
            fn (CData $buffer, int $bytes, CData $needed): int
                => $this->ffi->lyger_result_json(self::id($result), $buffer, $bytes, $needed)
        );
    }

    public function shaped(int $result, RowShape $shape, int $total): ?string
    {
        $options = $shape->options();
        return $this->abi->find(
            fn (CData $buffer, int $bytes, CData $needed): int => $this->ffi->lyger_result_shaped(
                self::id($result),
                $options,
                strlen($options),
                $total,
                $buffer,
                $bytes,
                $needed,
            )
        );
    }

    public function rows(int $result, int $from = 0, ?int $count = null): array
    {
        $id = self::id($result);
        $bytes = $this->abi->text(
            fn (CData $buffer, int $bytes, CData $needed): int => $from === 0 && $count === null
                ? $this->ffi->lyger_result_rows($id, $buffer, $bytes, $needed)
                : $this->ffi->lyger_result_slice($id, $from, $count ?? PHP_INT_MAX, $buffer, $bytes, $needed)
        );
        return Rows::read($bytes);
    }

    public function column(int $result): array
    {
        if ($this->describe($result)->columns === 0) {
            return [];
        }
        return Rows::unserialize($this->abi->text(
            fn (CData $buffer, int $bytes, CData $needed): int
                => $this->ffi->lyger_result_column(self::id($result), 0, $buffer, $bytes, $needed)
        ));
    }

    public function free(int $result): void
    {
        $this->abi->check($this->ffi->lyger_result_free(self::id($result)));
    }

    public function openStream(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int
    {
        $stream = $this->sql->open($dsn, $sql, $params, $options);
        $this->streams[$stream] = null;
        $this->clients[$stream] = [Task::current(), Strand::number()];
        return $stream;
    }

    public function nextChunk(int $stream): ?array
    {
        $chunk = $this->streams[$stream] ?? null;
        while (($rows = $chunk?->next($this)) === null) {
            if ($chunk !== null) {
                $this->streams[$stream] = null;
                $this->free($chunk->result);
            }
            $result = $this->sql->next(self::id($stream));
            if ($result === 0) {
                return null;
            }
            $chunk = $this->streams[$stream] = new Chunk($result);
        }
        return $rows;
    }

    public function closeStream(int $stream): void
    {
        if (array_key_exists($stream, $this->streams)) {
            $chunk = $this->streams[$stream];
            unset($this->streams[$stream], $this->clients[$stream]);
            if ($chunk !== null) {
                $this->free($chunk->result);
            }
            $this->abi->check($this->ffi->lyger_stream_close(self::id($stream)));
        }
    }

    public function keepsConnection(#[SensitiveParameter] string $dsn): bool
    {
        $keeps = $this->ffi->new('uint8_t');
        $this->call->enter();
        $this->abi->check($this->ffi->lyger_db_keeps($dsn, strlen($dsn), FFI::addr($keeps)));
        return $keeps->cdata !== 0;
    }

    public function transactionState(#[SensitiveParameter] string $dsn): ?TransactionState
    {
        $state = $this->ffi->new('int32_t');
        $this->call->enter();
        $this->abi->check($this->ffi->lyger_db_state($dsn, strlen($dsn), FFI::addr($state)));
        return TransactionState::from($state->cdata);
    }

    public function endClient(): void
    {
        LastRows::forget();
        $client = [Task::current(), Strand::number()];
        array_map($this->closeStream(...), array_keys($this->clients, $client, true));
        $this->call->enter();
        $this->abi->check($this->ffi->lyger_db_end());
    }

    public function finishedOperations(int $waitMs): array
    {
        return $this->sql->finished($waitMs);
    }

    public function cancelOperation(int $operation): void
    {
        $this->sql->cancel($operation);
    }

    public function vectors(int $dimension): Store
    {
        return Vectors::of($this->abi, $this->call, $dimension);
    }

    public function loadVectors(string $path): Store
    {
        return Vectors::open($this->abi, $this->call, $path);
    }

    public function cache(#[SensitiveParameter] string $dsn): Driver
    {
        if ($dsn !== '') {
            return CacheTable::open($this->abi, $dsn);
        }
        $this->config ??= Config::resolve();
        return CacheTable::own($this->abi, $this->config->int('cache.copies_bytes_max'));
    }

    public function serve(Closure $handler, Config $config, ?Closure $listening): void
    {
        $json = $config->forServer();
        $port = $this->ffi->new('uint16_t');
        $this->abi->check($this->ffi->lyger_server_start($json, strlen($json), FFI::addr($port)));
        if ($listening !== null) {
            $listening($port->cdata);
        }
        $runner = Runner::of($handler, $config, true);
        (new Worker($this->abi, new Inbox($this->abi), $runner))->run();
        $this->abi->check($this->ffi->lyger_server_wait(self::JOIN_MS));
    }

    /**
     * Is the master of a fleet until a signal ends it.
     *
     * @param string $spec see Lyger\Server\Fleet::spec()
     * @return int the exit code
     */
    public function runFleet(string $spec): int
    {
        $code = $this->ffi->new('int32_t');
        $this->abi->check($this->ffi->lyger_fleet_run($spec, strlen($spec), FFI::addr($code)));
        return $code->cdata;
    }

    /** Is the front of a fleet until its master ends it. */
    public function runFront(): void
    {
        $this->abi->check($this->ffi->lyger_fleet_front());
    }

    /** Forks the workers of a fleet. Returns the number in each of them, and null in the calling process at the end. */
    public function forkWorkers(): ?int
    {
        $number = $this->ffi->new('uint32_t');
        $status = $this->ffi->lyger_fleet_fork(FFI::addr($number));
        if ($status === Status::Stopped->value) {
            return null;
        }
        $this->abi->check($status);
        return $number->cdata;
    }

    /** Leaves the reason why this worker of a fleet doesn't boot, for whoever asked for the reload. */
    public function bootFailed(string $reason): void
    {
        $reason = substr($reason, 0, self::BOOT_REPORT_BYTES_MAX);
        // What PHP prints may have any bytes, and the cut may be within a character.
        $reason = (string) json_decode((string) json_encode($reason, JSON_INVALID_UTF8_IGNORE));
        $this->abi->check($this->ffi->lyger_worker_boot_failed($reason, strlen($reason)));
    }

    /** Takes requests of a fleet until it is retired. */
    public function work(Closure $handler, Config $config): void
    {
        $runner = Runner::of($handler, $config, true);
        $this->abi->check($this->ffi->lyger_worker_report(memory_get_usage(true), 0));
        [$inbox, $shift] = [new Inbox($this->abi), new Shift($this->ffi, $config)];
        $worker = $config->int('concurrency') > 1
            ? new ConcurrentWorker($this->abi, $inbox, $runner, $shift, $config)
            : new Worker($this->abi, $inbox, $runner, $shift);
        $worker->run();
    }

    public function stopServer(): void
    {
        $this->abi->check($this->ffi->lyger_server_stop());
    }

    public function startResp(Config $config): int
    {
        $json = $config->forResp();
        $port = $this->ffi->new('uint16_t');
        $this->abi->check($this->ffi->lyger_resp_start($json, strlen($json), FFI::addr($port)));
        return $port->cdata;
    }

    public function stopResp(): void
    {
        $this->abi->check($this->ffi->lyger_resp_stop());
    }

    public function respAddress(): ?string
    {
        [$address, $needed] = [$this->ffi->new('char[' . self::ADDRESS_BYTES_MAX . ']'), $this->ffi->new('size_t')];
        $status = $this->ffi->lyger_resp_address($address, self::ADDRESS_BYTES_MAX, FFI::addr($needed));
        if ($status === Status::ServerNotRunning->value) {
            return null;
        }
        $this->abi->check($status);
        return FFI::string($address, $needed->cdata);
    }

    public function release(): void
    {
        LastRows::forget();
        $this->abi->check($this->ffi->lyger_engine_release());
        $this->call->release();
    }

    /** Ids are unsigned in C, where -1 would be 18446744073709551615 and named so. */
    private static function id(int $result): int
    {
        return $result >= 0 ? $result : throw InvalidHandle::result($result);
    }
}
