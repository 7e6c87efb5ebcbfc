<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

const KEY_BYTES_MAX = 64 << 10;

// A call with every key that a C string can't be, or that is too long.
$wrongKeys = static fn (Closure $call): Closure => static function (Probe $p) use ($call): void {
    $call($p, null);
    $p->leaves(Status::NullPointer, true);
    $call($p, str_repeat('k', KEY_BYTES_MAX + 1));
    $p->leaves(Status::TooLong, true);
    $call($p, "\xff\xfe");
    $p->leaves(Status::Ok, true);
    $call($p, "a\0b");
    $p->leaves(Status::Ok, true);
};

return [
    'lyger_cache_set' => [
        'misuse' => static function (Probe $p) use ($wrongKeys): void {
            $wrongKeys(static fn (Probe $p, ?string $key) => $p->ffi->lyger_cache_set($key, 'v'))($p);
            $p->ffi->lyger_cache_set('k', null);
            $p->leaves(Status::NullPointer, true);
            $p->ffi->lyger_cache_set('k', str_repeat('v', 80 << 20));
            $p->leaves(Status::CacheValueTooLarge, true);
            // A C string ends at its first NUL.
            $p->ffi->lyger_cache_set("cut\0off", "value\0lost");
            $p->gives(Status::Ok, $p->ffi->lyger_cache_fetch('cut', 3, $p->buffer, 4096, $p->needed));
            $p->check($p->written() === 'value', 'ends at the NUL');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_set('k', 'v'),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_get' => [
        'misuse' => static function (Probe $p): void {
            $p->leaves(Status::NullPointer, $p->ffi->lyger_cache_get(null) === null);
            $p->leaves(Status::TooLong, $p->ffi->lyger_cache_get(str_repeat('k', KEY_BYTES_MAX + 1)) === null);
            $missing = $p->ffi->lyger_cache_get("\xff");
            $p->leaves(Status::NotFound, FFI::string($missing) === '');
            $p->ffi->lyger_free_string($missing);
            $p->ffi->lyger_cache_store('nul', 3, "a\0b", 3);
            $p->leaves(Status::InvalidArgument, $p->ffi->lyger_cache_get('nul') === null);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_get('k'),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_delete' => [
        'misuse' => $wrongKeys(static fn (Probe $p, ?string $key) => $p->ffi->lyger_cache_delete($key)),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_delete('k'),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_clear' => [
        'misuse' => static function (Probe $p): void {
            $p->ffi->lyger_cache_clear();
            $p->ffi->lyger_cache_clear();
            $p->leaves(Status::Ok, true);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_clear(),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_size' => [
        'misuse' => static fn (Probe $p) => $p->leaves(Status::Ok, $p->ffi->lyger_cache_size() === 0),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_size(),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_store' => [
        'misuse' => static function (Probe $p): void {
            $large = 65 << 20;
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_store(null, 1, 'v', 1));
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_store('k', 1, null, 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_store($p->nowhere(), KEY_BYTES_MAX + 1, 'v', 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_store($p->nowhere(), -1, 'v', 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_store('k', 1, $p->nowhere(), (1 << 30) + 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_store('k', 1, $p->nowhere(), -1));
            $p->gives(Status::CacheValueTooLarge, $p->ffi->lyger_cache_store('k', 1, str_repeat('v', $large), $large));
            $p->gives(Status::Ok, $p->ffi->lyger_cache_store(null, 0, null, 0));
            $p->gives(Status::Ok, $p->ffi->lyger_cache_store("\0\xff", 2, "\xfe\0", 2));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_store('k', 1, 'v', 1),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_fetch' => [
        'misuse' => static function (Probe $p): void {
            $p->ffi->lyger_cache_store("\0\xff", 2, "\xfe\0v", 3);
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_fetch(null, 1, $p->buffer, 4096, $p->needed));
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_fetch('k', 1, null, 1, $p->needed));
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_fetch('k', 1, $p->buffer, 4096, null));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_fetch($p->nowhere(), -1, $p->buffer, 4096, $p->needed));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_fetch('k', 1, $p->buffer, -1, $p->needed));
            $p->gives(Status::NotFound, $p->ffi->lyger_cache_fetch("\0", 1, $p->buffer, 4096, $p->needed));
            $p->gives(Status::BufferTooSmall, $p->ffi->lyger_cache_fetch("\0\xff", 2, $p->buffer, 2, $p->needed));
            $p->gives(Status::BufferTooSmall, $p->ffi->lyger_cache_fetch("\0\xff", 2, null, 0, $p->needed));
            $p->gives(Status::Ok, $p->ffi->lyger_cache_fetch("\0\xff", 2, $p->buffer, 4096, $p->needed));
            $p->check($p->written() === "\xfe\0v", 'any byte');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_fetch('k', 1, $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_remove' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_remove(null, 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_cache_remove($p->nowhere(), KEY_BYTES_MAX + 1));
            $p->gives(Status::NotFound, $p->ffi->lyger_cache_remove('k', 1));
            $p->ffi->lyger_cache_store('k', 1, 'v', 1);
            $p->gives(Status::Ok, $p->ffi->lyger_cache_remove('k', 1));
            $p->gives(Status::NotFound, $p->ffi->lyger_cache_remove('k', 1));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_remove('k', 1),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_purge' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::Ok, $p->ffi->lyger_cache_purge());
            $p->gives(Status::Ok, $p->ffi->lyger_cache_purge());
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_purge(),
        'child' => Status::WrongProcess,
    ],
    'lyger_cache_count' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_cache_count(null));
            $p->gives(Status::Ok, $p->ffi->lyger_cache_count($p->id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_cache_count($p->id),
        'child' => Status::WrongProcess,
    ],
];
