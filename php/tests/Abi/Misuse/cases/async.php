<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

$begin = static function (Probe $p, string $sql, string $function = 'lyger_async_run'): int {
    $call = $p->call();
    $status = $p->ffi->{$function}($call, $sql, strlen($sql), null, 0);
    $p->id[0] = $call->id;
    return $status;
};

// A call with every id that isn't a live operation's.
$wrongIds = static function (Probe $p, Closure $call) use ($begin): void {
    $p->gives(Status::Ok, $begin($p, 'SELECT 1'));
    $id = $p->id[0];
    foreach (Probe::forged($id) as $forged) {
        $p->gives(Status::InvalidHandle, $call($forged));
    }
    $p->gives(Status::Ok, $p->ffi->lyger_async_cancel($id));
    $p->gives(Status::InvalidHandle, $call($id));
};

$starts = static fn (string $function): array => [
    'misuse' => static function (Probe $p) use ($begin, $function): void {
        $p->misuseCall($function);
        $p->gives(Status::Ok, $begin($p, 'SELEC 1', $function));
        $p->gives(Status::QueryFailed, $p->ffi->lyger_async_result($p->id[0], $p->id));
        $p->gives(Status::Ok, $begin($p, 'SELECT 1', $function));
        $p->gives(Status::Ok, $p->ffi->lyger_async_cancel($p->id[0]));
    },
    'valid' => static fn (Probe $p) => $begin($p, 'SELECT 1', $function),
    'child' => Status::WrongProcess,
];

return [
    'lyger_async_run' => $starts('lyger_async_run'),
    'lyger_async_open' => $starts('lyger_async_open'),
    'lyger_async_next' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_async_next(1, null));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_async_next(1, $p->id));
            $p->ffi->lyger_stream_open($call = $p->call(), 'SELECT 1', 8, null, 0);
            $stream = $call->id;
            foreach (Probe::forged($stream) as $forged) {
                $p->gives(Status::InvalidHandle, $p->ffi->lyger_async_next($forged, $p->id));
            }
            $p->gives(Status::Ok, $p->ffi->lyger_stream_close($stream));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_async_next($stream, $p->id));
        },
        'valid' => static function (Probe $p): int {
            $p->ffi->lyger_stream_open($call = $p->call(), 'SELECT 1', 8, null, 0);
            return $p->ffi->lyger_async_next($call->id, $p->id);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_async_wait' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_async_wait(0, null, 1, $p->needed));
            $p->gives(Status::NullPointer, $p->ffi->lyger_async_wait(0, $p->id, 0, $p->needed));
            $p->gives(Status::NullPointer, $p->ffi->lyger_async_wait(0, $p->id, 1, null));
            $p->gives(Status::TooLong, $p->ffi->lyger_async_wait(0, $p->id, -1, $p->needed));
            do {
                $p->gives(Status::Ok, $p->ffi->lyger_async_wait(0, $p->id, 1, $p->needed));
            } while ($p->needed[0] > 0);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_async_wait(0, $p->id, 1, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_async_result' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_async_result(1, null));
            $wrongIds($p, static fn (int $id): int => $p->ffi->lyger_async_result($id, $p->id));
        },
        'valid' => static function (Probe $p) use ($begin): int {
            $begin($p, 'SELECT 1');
            return $p->ffi->lyger_async_result($p->id[0], $p->id);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_async_fetch' => [
        'misuse' => static function (Probe $p) use ($begin, $wrongIds): void {
            $call = $p->call();
            $fetch = static function (int $id, int $form = 0, int $cap = 4096) use ($p, $call): int {
                [$call->form, $call->cap] = [$form, $cap];
                return $p->ffi->lyger_async_fetch($call, $id);
            };
            $p->gives(Status::NullPointer, $p->ffi->lyger_async_fetch(null, 1));
            $other = $p->call(['size' => 8]);
            $p->gives(Status::InvalidArgument, $p->ffi->lyger_async_fetch($other, 1));
            $p->check($other->id === 7, 'nothing is set in another structure');
            $wrongIds($p, $fetch);
            $p->gives(Status::Ok, $begin($p, 'SELECT 1'));
            $id = $p->id[0];
            $p->gives(Status::TooLong, $fetch($id, 0, -1));
            foreach ([4, -1] as $form) {
                $p->gives(Status::InvalidArgument, $fetch($id, $form));
            }
            $p->gives(Status::Ok, $fetch($id));
            $written = FFI::string($p->buffer, $call->needed);
            $p->check($written === serialize([[1 => 1]]) && $call->id === 0, 'the rows', $written);
            $p->gives(Status::InvalidHandle, $fetch($id));
            $p->gives(Status::Ok, $begin($p, 'SELECT 1'));
            $p->gives(Status::BufferTooSmall, $fetch($p->id[0], 3, 3));
            $p->gives(Status::Ok, $p->ffi->lyger_result_free($call->id));
            $p->gives(Status::Ok, $begin($p, 'SELECT 1', 'lyger_async_open'));
            $id = $p->id[0];
            $p->gives(Status::InvalidArgument, $fetch($id));
            $p->gives(Status::Ok, $p->ffi->lyger_async_cancel($id));
            $p->gives(Status::Ok, $begin($p, 'SELEC 1'));
            $p->gives(Status::QueryFailed, $fetch($p->id[0]));
            $call->buf = null;
            $p->gives(Status::NullPointer, $fetch(1));
            $p->check($call->id === 0 && $call->needed === 0, 'nothing on an error');
        },
        'valid' => static function (Probe $p) use ($begin): int {
            $begin($p, 'SELECT 1');
            return $p->ffi->lyger_async_fetch($p->call(), $p->id[0]);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_async_cancel' => [
        'misuse' => static function (Probe $p) use ($wrongIds): void {
            $wrongIds($p, static fn (int $id): int => $p->ffi->lyger_async_cancel($id));
        },
        'valid' => static function (Probe $p) use ($begin): int {
            $begin($p, 'SELECT 1');
            return $p->ffi->lyger_async_cancel($p->id[0]);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_strand_enter' => [
        'misuse' => static function (Probe $p): void {
            foreach ([-1, PHP_INT_MAX, 0] as $strand) {
                $p->gives(Status::Ok, $p->ffi->lyger_strand_enter($strand));
            }
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_strand_enter(0),
        'child' => Status::WrongProcess,
    ],
];
