<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

// What is issued as char*: read, freed, freed again.
$issued = static fn (string $function, string $part): array => [
    'misuse' => static function (Probe $p) use ($function, $part): void {
        $string = $p->ffi->{$function}();
        $p->leaves(Status::Ok, str_contains(FFI::string($string), $part));
        $p->ffi->lyger_free_string($string);
        $p->leaves(Status::Ok, true);
        $p->ffi->lyger_free_string($string);
        $p->leaves(Status::InvalidArgument, true);
    },
    'valid' => static fn (Probe $p) => $p->ffi->lyger_free_string($p->ffi->{$function}()),
    'child' => Status::Ok,
];

return [
    'lyger_abi_version' => [
        'misuse' => static fn (Probe $p) => $p->leaves(Status::Ok, $p->ffi->lyger_abi_version() === 1),
        'valid' => static fn (Probe $p) => $p->ffi->lyger_abi_version(),
        'child' => Status::Ok,
    ],
    'lyger_hello_world' => $issued('lyger_hello_world', 'Hello from Rust! 🦀'),
    'lyger_system_info' => $issued('lyger_system_info', '"framework":"Lyger v0.1"'),
    'lyger_heavy_computation' => [
        'misuse' => static function (Probe $p): void {
            $p->leaves(Status::Ok, $p->ffi->lyger_heavy_computation(0) === 0.0);
            $p->leaves(Status::Ok, is_nan($p->ffi->lyger_heavy_computation(-1)));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_heavy_computation(10),
        'child' => Status::Ok,
    ],
    'lyger_engine_check' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::Ok, $p->ffi->lyger_engine_check());
            putenv('LYGER_DB_RESULT_BYTES_MAX=64M');
            $p->gives(Status::InvalidConfig, $p->ffi->lyger_engine_check());
            $p->check(str_contains($p->lastError(), 'LYGER_DB_RESULT_BYTES_MAX'), 'names the variable');
            putenv('LYGER_DB_RESULT_BYTES_MAX');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_engine_check(),
        'child' => Status::Ok,
    ],
    'lyger_engine_info' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_engine_info($p->buffer, 4096, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_engine_info(null, 4096, $p->needed));
            $p->gives(Status::TooLong, $p->ffi->lyger_engine_info($p->buffer, -1, $p->needed));
            $p->gives(Status::BufferTooSmall, $p->ffi->lyger_engine_info($p->buffer, 1, $p->needed));
            $p->gives(Status::Ok, $p->ffi->lyger_engine_info($p->buffer, 4096, $p->needed));
            $p->check(json_decode($p->written())->pid === getmypid(), 'is about this process');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_engine_info($p->buffer, 4096, $p->needed),
        'child' => Status::Ok,
    ],
    'lyger_engine_configure' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_engine_configure(null, 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_engine_configure($p->nowhere(), (1 << 20) + 1));
            $p->gives(Status::TooLong, $p->ffi->lyger_engine_configure($p->nowhere(), -1));
            foreach (['', 'x', '[]', "{}\0{}", "{\"\xff\":1}", '{"db":1}', '{"db":{"x":1}}'] as $json) {
                $p->gives(Status::InvalidConfig, $p->ffi->lyger_engine_configure($json, strlen($json)));
            }
            $p->gives(Status::InvalidConfig, $p->ffi->lyger_engine_configure('{"db":{"connections_max":0}}', 28));
            $p->check(str_contains($p->lastError(), 'db.connections_max'), 'names the key');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_engine_configure('{}', 2),
        'child' => Status::WrongProcess,
    ],
    'lyger_engine_release' => [
        'misuse' => static function (Probe $p): void {
            $id = $p->query();
            $p->gives(Status::Ok, $p->ffi->lyger_engine_release());
            $p->gives(Status::Ok, $p->ffi->lyger_engine_release());
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_result_free($id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_engine_release(),
        'child' => Status::WrongProcess,
    ],
    'lyger_free_engine' => [
        'misuse' => static function (Probe $p): void {
            $p->ffi->lyger_free_engine($p->nowhere());
            $p->leaves(Status::InvalidArgument, true);
            for ($twice = 0; $twice < 2; $twice++) {
                $p->ffi->lyger_free_engine(null);
                $p->leaves(Status::Ok, true);
            }
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_free_engine(null),
        'child' => Status::WrongProcess,
    ],
    'lyger_free_string' => [
        'misuse' => static function (Probe $p): void {
            $own = $p->ffi->new('char[6]');
            $hello = $p->ffi->lyger_hello_world();
            foreach ([$own, $p->nowhere(), $hello + 1] as $foreign) {
                $p->ffi->lyger_free_string($foreign);
                $p->leaves(Status::InvalidArgument, true);
            }
            $p->ffi->lyger_free_string(null);
            $p->leaves(Status::Ok, true);
            $p->ffi->lyger_free_string($hello);
            $p->leaves(Status::Ok, true);
            $p->ffi->lyger_free_string($hello);
            $p->leaves(Status::InvalidArgument, true);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_free_string($p->ffi->lyger_hello_world()),
        'child' => Status::Ok,
    ],
    'lyger_last_error' => [
        'misuse' => static function (Probe $p): void {
            $p->ffi->lyger_cache_set(null, null);
            $p->check($p->ffi->lyger_last_error($p->buffer, 4096, null) === Status::NullPointer->value, 'null needed');
            $p->check($p->ffi->lyger_last_error(null, 1, $p->needed) === Status::NullPointer->value, 'null buffer');
            $p->check($p->ffi->lyger_last_error($p->buffer, 1, $p->needed) === Status::BufferTooSmall->value, 'small');
            $p->check($p->ffi->lyger_last_error($p->buffer, -1, $p->needed) === Status::TooLong->value, 'huge');
            // None of these changed it.
            $p->leaves(Status::NullPointer, true);
        },
        'valid' => static function (Probe $p): void {
            $p->ffi->lyger_abi_version();
            $p->lastError();
        },
        'child' => Status::Ok,
    ],
];
