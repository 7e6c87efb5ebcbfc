<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

const NAME_BYTES_MAX = 64 << 10;

/*
 * Every function takes a cache's id and then, but for those of $whole, a key or keys as pointer and length. A call is
 * made by $call, which is given them; what is left of the arguments is right.
 *
 * @var array<string, Closure(Probe, int, mixed, int): int> $calls
 */
$calls = [
    'lyger_store_get' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_get($store, $key, $len, $p->buffer, 4096, $p->needed),
    'lyger_store_put' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_put($store, $key, $len, 'v', 1, 0),
    'lyger_store_set' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_set($store, $key, $len, 'v', 1, 0, 0, 0, $p->flag(), null, 0, null),
    'lyger_store_compare_and_set' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_compare_and_set($store, $key, $len, 'v', 1, 'w', 1, $p->flag()),
    'lyger_store_delete' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_delete($store, $key, $len, $p->flag()),
    'lyger_store_ttl' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_ttl($store, $key, $len, $p->ffi->cast('int64_t *', $p->id)),
    'lyger_store_exists' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_exists($store, $key, $len, $p->flag()),
    'lyger_store_expire' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_expire($store, $key, $len, 1, 60_000, $p->flag()),
    'lyger_store_increment' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_increment($store, $key, $len, 1, $p->ffi->cast('int64_t *', $p->id)),
    'lyger_store_increment_float' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_increment_float($store, $key, $len, 0.5, $p->ffi->cast('double *', $p->id)),
    'lyger_store_append' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_append($store, $key, $len, 'v', 1, $p->needed),
    'lyger_store_get_range' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_get_range($store, $key, $len, 0, -1, $p->buffer, 4096, $p->needed),
    'lyger_store_set_range' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_set_range($store, $key, $len, 0, 'v', 1, $p->needed),
    'lyger_store_take' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_take($store, $key, $len, $p->buffer, 4096, $p->needed),
    'lyger_store_touch' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_store_touch($store, $key, $len, 0, 0, $p->buffer, 4096, $p->needed),
    'lyger_lock_take' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_lock_take($store, $key, $len, 60_000, $p->id),
    'lyger_lock_release' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_lock_release($store, $key, $len, 7, $p->flag()),
    'lyger_lock_extend' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_lock_extend($store, $key, $len, 7, 60_000, $p->flag()),
    'lyger_lock_holder' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_lock_holder($store, $key, $len, $p->id),
    'lyger_rate_count' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_rate_count($store, $key, $len, 60_000, $p->id, $p->needed),
    'lyger_rate_read' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_rate_read($store, $key, $len, $p->id, $p->needed),
    'lyger_rate_reset' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_rate_reset($store, $key, $len),
    'lyger_flight_take_off' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_flight_take_off($store, $key, $len, 60_000, $p->id, $p->buffer, 4096, $p->needed),
    'lyger_flight_land' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_flight_land($store, $key, $len, 7, 'v', 1, 0, 0, $p->flag()),
    'lyger_flight_abandon' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_flight_abandon($store, $key, $len, 7),
    'lyger_session_open' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_session_open($store, $key, $len, 60_000, $p->id),
    'lyger_session_close' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_session_close($store, $key, $len, 7, $p->flag()),
    'lyger_session_read' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_session_read($store, $key, $len, $p->buffer, 4096, $p->needed),
    'lyger_session_write' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_session_write($store, $key, $len, 7, 'v', 1, 60_000, $p->flag()),
    'lyger_session_touch' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_session_touch($store, $key, $len, 60_000, $p->flag()),
    'lyger_session_destroy' => static fn (Probe $p, int $store, mixed $key, int $len): int
        => $p->ffi->lyger_session_destroy($store, $key, $len, $p->flag()),
];
$packed = [
    'lyger_store_get_many' => static fn (Probe $p, int $store, mixed $keys, int $len): int
        => $p->ffi->lyger_store_get_many($store, $keys, $len, $p->buffer, 4096, $p->needed),
    'lyger_store_set_many' => static fn (Probe $p, int $store, mixed $pairs, int $len): int
        => $p->ffi->lyger_store_set_many($store, $pairs, $len, 0, 0, 0, $p->flag()),
    'lyger_store_delete_many' => static fn (Probe $p, int $store, mixed $keys, int $len): int
        => $p->ffi->lyger_store_delete_many($store, $keys, $len, $p->id),
];
$whole = [
    'lyger_store_scan' => static fn (Probe $p, int $store): int
        => $p->ffi->lyger_store_scan($store, 0, 10, $p->id, $p->buffer, 4096, $p->needed),
    'lyger_store_size' => static fn (Probe $p, int $store): int => $p->ffi->lyger_store_size($store, $p->id),
    'lyger_store_clear' => static fn (Probe $p, int $store): int => $p->ffi->lyger_store_clear($store),
    'lyger_store_stats' => static fn (Probe $p, int $store): int
        => $p->ffi->lyger_store_stats($store, $p->buffer, 4096, $p->needed),
];

// Ids of a result, of nothing, and each of them with one bit changed: none is a cache.
$ids = static function (Probe $p, Closure $call): void {
    foreach (Probe::forged($p->query()) as $id) {
        if ($id !== 0) {
            $p->gives(Status::InvalidHandle, $call($id));
        }
    }
};

// What each of them says with an output or an argument that is wrong.
$more = [
    'lyger_store_get' => static function (Probe $p): void {
        $p->ffi->lyger_store_put(0, "\0\xff", 2, "\xfe\0v", 3, 0);
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_get(0, "\0\xff", 2, null, 1, $p->needed));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_get(0, "\0\xff", 2, $p->buffer, 4096, null));
        $p->gives(Status::BufferTooSmall, $p->ffi->lyger_store_get(0, "\0\xff", 2, $p->buffer, 2, $p->needed));
        $p->gives(Status::Ok, $p->ffi->lyger_store_get(0, "\0\xff", 2, $p->buffer, 4096, $p->needed));
        $p->check($p->written() === "\xfe\0v", 'any byte');
    },
    'lyger_store_put' => static function (Probe $p): void {
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_put(0, 'k', 1, null, 1, 0));
        $p->gives(Status::TooLong, $p->ffi->lyger_store_put(0, 'k', 1, $p->nowhere(), -1, 0));
        $large = 65 << 20;
        $p->gives(Status::CacheValueTooLarge, $p->ffi->lyger_store_put(0, 'k', 1, str_repeat('v', $large), $large, 0));
        $p->gives(Status::Ok, $p->ffi->lyger_store_put(0, null, 0, null, 0, -1));
    },
    'lyger_store_set' => static function (Probe $p): void {
        $set = static fn (int $condition, int $expiry, mixed $flag, mixed $buffer, int $room, mixed $needed): int
            => $p->ffi->lyger_store_set(0, 'k', 1, 'v', 1, $condition, $expiry, -1, $flag, $buffer, $room, $needed);
        $p->gives(Status::InvalidArgument, $set(3, 0, $p->flag(), null, 0, null));
        $p->gives(Status::InvalidArgument, $set(0, 4, $p->flag(), null, 0, null));
        $p->gives(Status::NullPointer, $set(0, 0, null, null, 0, null));
        $p->gives(Status::NullPointer, $set(0, 0, $p->flag(), null, 1, $p->needed));
        $p->gives(Status::Ok, $set(0, 0, $p->flag(), null, 0, null));
        $p->gives(Status::BufferTooSmall, $set(0, 2, $p->flag(), null, 0, $p->needed));
        $p->gives(Status::Ok, $p->ffi->lyger_store_output($p->buffer, 4096, $p->needed));
        $p->check($p->written() === 'v', 'the value before waits');
    },
    'lyger_store_compare_and_set' => static function (Probe $p): void {
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_compare_and_set(0, 'k', 1, null, 1, 'w', 1, $p->flag()));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_compare_and_set(0, 'k', 1, 'v', 1, null, 1, $p->flag()));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_compare_and_set(0, 'k', 1, 'v', 1, 'w', 1, null));
    },
    'lyger_store_expire' => static function (Probe $p): void {
        $p->gives(Status::InvalidArgument, $p->ffi->lyger_store_expire(0, 'k', 1, -1, 0, $p->flag()));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_expire(0, 'k', 1, 0, 0, null));
    },
    'lyger_store_increment' => static function (Probe $p): void {
        $p->ffi->lyger_store_put(0, 'k', 1, 'x', 1, 0);
        $number = $p->ffi->cast('int64_t *', $p->id);
        $p->gives(Status::NotANumber, $p->ffi->lyger_store_increment(0, 'k', 1, 1, $number));
        $p->gives(Status::Ok, $p->ffi->lyger_store_increment(0, 'n', 1, PHP_INT_MAX, $number));
        $p->gives(Status::NotANumber, $p->ffi->lyger_store_increment(0, 'n', 1, 1, $number));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_increment(0, 'n', 1, 1, null));
    },
    'lyger_store_increment_float' => static function (Probe $p): void {
        $number = $p->ffi->cast('double *', $p->id);
        foreach ([INF, -INF, NAN] as $by) {
            $p->gives(Status::NotANumber, $p->ffi->lyger_store_increment_float(0, 'n', 1, $by, $number));
        }
    },
    'lyger_store_append' => static function (Probe $p): void {
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_append(0, 'k', 1, null, 1, $p->needed));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_append(0, 'k', 1, 'v', 1, null));
    },
    'lyger_store_get_range' => static function (Probe $p): void {
        foreach ([[PHP_INT_MIN, PHP_INT_MIN], [PHP_INT_MAX, PHP_INT_MIN], [PHP_INT_MIN, PHP_INT_MAX]] as $ends) {
            $output = [$p->buffer, 4096, $p->needed];
            $p->gives(Status::Ok, $p->ffi->lyger_store_get_range(0, 'k', 1, ...[...$ends, ...$output]));
        }
    },
    'lyger_store_set_range' => static function (Probe $p): void {
        $p->gives(Status::CacheValueTooLarge, $p->ffi->lyger_store_set_range(0, 'k', 1, -1, 'v', 1, $p->needed));
        $p->gives(Status::NullPointer, $p->ffi->lyger_store_set_range(0, 'k', 1, 0, null, 1, $p->needed));
    },
    'lyger_store_take' => static function (Probe $p): void {
        $p->ffi->lyger_store_put(0, 'k', 1, 'value', 5, 0);
        $p->gives(Status::BufferTooSmall, $p->ffi->lyger_store_take(0, 'k', 1, null, 0, $p->needed));
        $p->gives(Status::NotFound, $p->ffi->lyger_store_take(0, 'k', 1, null, 0, $p->needed));
        $p->gives(Status::Ok, $p->ffi->lyger_store_output($p->buffer, 4096, $p->needed));
        $p->check($p->written() === 'value', 'what was taken waits');
    },
    'lyger_store_touch' => static fn (Probe $p)
        => $p->gives(Status::InvalidArgument, $p->ffi->lyger_store_touch(0, 'k', 1, 4, 0, null, 0, $p->needed)),
    'lyger_flight_land' => static function (Probe $p): void {
        $p->gives(Status::InvalidArgument, $p->ffi->lyger_flight_land(0, 'k', 1, 1, 'v', 1, 9, 0, $p->flag()));
        $p->gives(Status::NullPointer, $p->ffi->lyger_flight_land(0, 'k', 1, 1, null, 1, 0, 0, $p->flag()));
        $p->gives(Status::NullPointer, $p->ffi->lyger_flight_land(0, 'k', 1, 1, 'v', 1, 0, 0, null));
    },
    'lyger_lock_take' => static fn (Probe $p)
        => $p->gives(Status::NullPointer, $p->ffi->lyger_lock_take(0, 'k', 1, 1, null)),
];

$misuses = [
    'lyger_store_find' => [
        'misuse' => static function (Probe $p): void {
            $finds = static fn (Status $expected, mixed $reader, mixed $key, int $length) => $p->gives(
                $expected,
                -$p->ffi->lyger_store_find($reader, $key, $length),
            );
            $p->ffi->lyger_store_put(0, "\0\xff", 2, "\xfe\0v", 3, 0);
            $finds(Status::NullPointer, null, 'k', 1);
            $finds(Status::NullPointer, $p->reader(), null, 1);
            $finds(Status::TooLong, $p->reader(), $p->nowhere(), -1);
            $finds(Status::TooLong, $p->reader(), $p->nowhere(), NAME_BYTES_MAX + 1);
            $finds(Status::NotFound, $p->reader(), "\0", 1);
            foreach ([0, 31, 33, -1] as $size) {
                $finds(Status::InvalidArgument, $p->reader(['size' => $size]), 'k', 1);
            }
            $finds(Status::NullPointer, $p->reader(['buf' => null]), 'k', 1);
            $finds(Status::TooLong, $p->reader(['cap' => -1]), 'k', 1);
            foreach (Probe::forged($p->query()) as $id) {
                if ($id !== 0) {
                    $finds(Status::InvalidHandle, $p->reader(['store' => $id]), 'k', 1);
                }
            }
            $p->check($p->ffi->lyger_store_find($p->reader(['cap' => 2]), "\0\xff", 2) === 3, 'the length');
            $p->gives(Status::Ok, $p->ffi->lyger_store_output($p->buffer, 4096, $p->needed));
            $p->check($p->written() === "\xfe\0v", 'what had no room waits');
            $p->check($p->ffi->lyger_store_find($p->reader(), "\0\xff", 2) === 3, 'it has room');
            $p->check(FFI::string($p->buffer, 3) === "\xfe\0v", 'any byte');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_store_find($p->reader(), 'k', 1),
        'child' => Status::WrongProcess,
    ],
    'lyger_store_open' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_store_open(null, 1, $p->id));
            $p->gives(Status::NullPointer, $p->ffi->lyger_store_open('redis://h', 9, null));
            $p->gives(Status::TooLong, $p->ffi->lyger_store_open($p->nowhere(), 4097, $p->id));
            $p->gives(Status::InvalidUtf8, $p->ffi->lyger_store_open("\xff", 1, $p->id));
            foreach (['', 'redis', 'oracle://h', 'redis://', 'redis://h:x', 'redis://h?color=red'] as $dsn) {
                $p->gives(Status::InvalidDsn, $p->ffi->lyger_store_open($dsn, strlen($dsn), $p->id));
                $p->check($p->id[0] === 0, 'no id on an error');
            }
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_store_open('redis://127.0.0.1:1', 19, $p->id),
        'child' => Status::WrongProcess,
    ],
    'lyger_store_close' => [
        'misuse' => static function (Probe $p) use ($ids): void {
            $p->gives(Status::Ok, $p->ffi->lyger_store_open('redis://127.0.0.1:1', 19, $p->id));
            $id = $p->id[0];
            $p->gives(Status::ConnectionFailed, $p->ffi->lyger_store_put($id, 'k', 1, 'v', 1, 0));
            foreach (Probe::forged($id) as $forged) {
                $p->gives(Status::InvalidHandle, $p->ffi->lyger_store_close($forged));
            }
            $p->gives(Status::Ok, $p->ffi->lyger_store_close($id));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_store_close($id));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_store_put($id, 'k', 1, 'v', 1, 0));
            $ids($p, static fn (int $id): int => $p->ffi->lyger_store_close($id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_store_close(1),
        'child' => Status::WrongProcess,
    ],
    'lyger_store_output' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NotFound, $p->ffi->lyger_store_output($p->buffer, 4096, $p->needed));
            $p->gives(Status::NullPointer, $p->ffi->lyger_store_output($p->buffer, 4096, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_store_output(null, 1, $p->needed));
            $p->gives(Status::TooLong, $p->ffi->lyger_store_output($p->buffer, -1, $p->needed));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_store_output($p->buffer, 4096, $p->needed),
        'child' => Status::NotFound,
    ],
];
foreach ($calls as $function => $call) {
    $misuses[$function] = [
        'misuse' => static function (Probe $p) use ($call, $ids, $more, $function): void {
            $ids($p, static fn (int $id): int => $call($p, $id, 'k', 1));
            $p->gives(Status::NullPointer, $call($p, 0, null, 1));
            $p->gives(Status::TooLong, $call($p, 0, $p->nowhere(), NAME_BYTES_MAX + 1));
            $p->gives(Status::TooLong, $call($p, 0, $p->nowhere(), -1));
            ($more[$function] ?? static fn () => null)($p);
        },
        'valid' => static fn (Probe $p) => $call($p, 0, 'k', 1),
        'child' => Status::WrongProcess,
    ];
}
foreach ($packed as $function => $call) {
    $misuses[$function] = [
        'misuse' => static function (Probe $p) use ($call, $ids): void {
            $ids($p, static fn (int $id): int => $call($p, $id, null, 0));
            $p->gives(Status::NullPointer, $call($p, 0, null, 1));
            $p->gives(Status::TooLong, $call($p, 0, $p->nowhere(), (1 << 30) + 1));
            $p->gives(Status::TooLong, $call($p, 0, $p->nowhere(), -1));
            foreach (["\1", "\1\0\0\0", "\2\0\0\0k", "\xff\xff\xff\xffk"] as $cut) {
                $p->gives(Status::InvalidArgument, $call($p, 0, $cut, strlen($cut)));
            }
            $long = pack('V', NAME_BYTES_MAX + 1) . str_repeat('k', NAME_BYTES_MAX + 1) . pack('V', 0);
            $p->gives(Status::TooLong, $call($p, 0, $long, strlen($long)));
        },
        'valid' => static fn (Probe $p) => $call($p, 0, null, 0),
        'child' => Status::WrongProcess,
    ];
}
foreach ($whole as $function => $call) {
    $misuses[$function] = [
        'misuse' => static function (Probe $p) use ($call, $ids, $function): void {
            $ids($p, static fn (int $id): int => $call($p, $id));
            $p->gives(Status::Ok, $call($p, 0));
            if ($function === 'lyger_store_scan') {
                foreach ([-1, PHP_INT_MIN, 1 << 48, 12345] as $cursor) {
                    $output = [$p->id, $p->buffer, 4096, $p->needed];
                    $p->gives(Status::Ok, $p->ffi->lyger_store_scan(0, $cursor, -1, ...$output));
                }
            }
        },
        'valid' => static fn (Probe $p) => $call($p, 0),
        'child' => Status::WrongProcess,
    ];
}
return $misuses;
