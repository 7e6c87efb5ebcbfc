<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Async\Operations;
use Lyger\Async\Scheduler;
use Lyger\Database\Form;
use Lyger\Database\Options;
use Lyger\Database\Params;
use Lyger\Exception\InvalidHandle;
use SensitiveParameter;
use Throwable;

// What PHP knows when it compiles costs less with each statement.
use function preg_match;
use function strlen;

/**
 * Statements on their way to the engine. In a Fiber that can be left each is an operation, and others go on until it
 * has finished; elsewhere the call waits. SQLite's run where they are called, so nobody could go on.
 */
final class Sql
{
    /** How many ended operations are told at once. */
    private const TOLD_MAX = 256;

    private readonly FFI $ffi;
    private readonly CData $id;
    private readonly CData $idPointer;
    private readonly CData $ids;
    private readonly CData $idsPointer;
    private readonly CData $count;
    private readonly CData $countPointer;
    /** The last DSN that isLeft() looked at: mostly it is the same. */
    private static string $lookedAt = '';
    private static bool $isServer = false;

    public function __construct(private readonly Abi $abi, private readonly Call $call)
    {
        $this->ffi = $abi->ffi;
        $this->id = $this->ffi->new('uint64_t');
        $this->idPointer = FFI::addr($this->id);
        $this->ids = $this->ffi->new('uint64_t[' . self::TOLD_MAX . ']');
        $this->idsPointer = FFI::addr($this->ids[0]);
        $this->count = $this->ffi->new('size_t');
        $this->countPointer = FFI::addr($this->count);
    }

    /** @param array<mixed> $params */
    public function run(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int
    {
        return $this->send('lyger_db_run', 'lyger_async_run', $dsn, $sql, $params, $options);
    }

    /**
     * The rows of a statement for which the code that runs is left.
     *
     * @param string $packed the parameters
     * @return string|list<mixed> as the form says
     */
    public function fetch(
        #[SensitiveParameter] string $dsn,
        string $sql,
        string $packed,
        ?Options $options,
        Form $form,
        Fetch $fetch,
    ): string|array {
        $status = $this->ffi->lyger_async_run(
            $this->call->of($dsn, $options),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
        );
        if ($status !== 0) {
            throw $this->abi->failure($status);
        }
        $operation = $this->call->fields->id;
        $this->await($operation);
        return $fetch->ended($operation, $form);
    }

    /** @param array<mixed> $params */
    public function open(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int
    {
        return $this->send('lyger_stream_open', 'lyger_async_open', $dsn, $sql, $params, $options);
    }

    /** A stream's next rows; 0 behind the last. */
    public function next(int $stream): int
    {
        $isLeft = Scheduler::canLeave();
        $function = $isLeft ? 'lyger_async_next' : 'lyger_stream_next';
        $this->abi->check($this->ffi->{$function}($stream, $this->idPointer));
        return $isLeft ? $this->result($this->id->cdata) : $this->id->cdata;
    }

    /** Whether the code that runs is left while a statement of this database runs. */
    public static function isLeft(#[SensitiveParameter] string $dsn): bool
    {
        if (!Scheduler::canLeave()) {
            return false;
        }
        if ($dsn !== self::$lookedAt) {
            self::$isServer = preg_match('~^(?:postgres|postgresql|mysql|mariadb)://~i', $dsn) === 1;
            self::$lookedAt = $dsn;
        }
        return self::$isServer;
    }

    /** @return list<int> */
    public function finished(int $waitMs): array
    {
        $ended = [];
        do {
            $this->abi->check($this->ffi->lyger_async_wait(
                $waitMs,
                $this->idsPointer,
                self::TOLD_MAX,
                $this->countPointer,
            ));
            $count = $this->count->cdata;
            for ($at = 0; $at < $count; $at++) {
                $ended[] = $this->ids[$at];
            }
            $waitMs = 0;
        } while ($count === self::TOLD_MAX);
        return $ended;
    }

    public function cancel(int $operation): void
    {
        $this->abi->check($this->ffi->lyger_async_cancel($operation));
    }

    /** @param array<mixed> $params */
    private function send(
        string $waiting,
        string $leaving,
        #[SensitiveParameter] string $dsn,
        string $sql,
        array $params,
        Options $options,
    ): int {
        $packed = Params::pack($params);
        $isLeft = self::isLeft($dsn);
        $function = $isLeft ? $leaving : $waiting;
        $this->abi->check($this->ffi->{$function}(
            $this->call->of($dsn, $options),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
        ));
        return $isLeft ? $this->result($this->call->fields->id) : $this->call->fields->id;
    }

    private function result(int $operation): int
    {
        $this->await($operation);
        $this->abi->check($this->ffi->lyger_async_result($operation, $this->idPointer));
        return $this->id->cdata;
    }

    private function await(int $operation): void
    {
        try {
            Operations::await($operation);
        } catch (Throwable $cancelled) {
            try {
                $this->cancel($operation);
            } catch (InvalidHandle) {
                // The engine has been released.
            }
            throw $cancelled;
        }
    }
}
