<?php

declare(strict_types=1);

use Lyger\Core\Status;
use Lyger\Tests\Abi\Misuse\Probe;

// (3, 4) of id 1, (0, 0) of -2, and (-3, -4) of the largest id.
$index = static function (Probe $p): int {
    $p->ffi->lyger_vector_new(2, $p->id);
    $index = $p->id[0];
    $p->ffi->lyger_vector_add($index, pack('P*', 1, -2, PHP_INT_MAX), 24, pack('g*', 3, 4, 0, 0, -3, -4), 24);
    return $index;
};

$count = static function (Probe $p, int $index): int {
    $info = $p->ffi->new('lyger_vector_info');
    $p->ffi->lyger_vector_stat($index, FFI::addr($info));
    return $info->count;
};

// Ids that are wrong give a status, and what is set by the call is 0 then.
$wrongIds = static function (Probe $p, Closure $call) use ($index): void {
    $right = $index($p);
    $p->ffi->lyger_vector_free($right);
    foreach ([$p->query(), ...Probe::forged($index($p))] as $wrong) {
        $p->gives(Status::InvalidHandle, $call($wrong));
    }
    $p->gives(Status::InvalidHandle, $call($right));
};

$search = static fn (Probe $p, int $index, array $with = []): int => $p->ffi->lyger_vector_search(
    $index,
    ...array_values(array_replace([
        'query' => pack('g*', 6, 8),
        'query_len' => 8,
        'metric' => 1,
        'k' => 3,
        'among' => null,
        'among_len' => 0,
        'buf' => $p->buffer,
        'cap' => 4096,
        'needed' => $p->needed,
    ], $with)),
);

return [
    'lyger_vector_new' => [
        'misuse' => static function (Probe $p): void {
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_new(2, null));
            foreach ([0, 65_537, -1, PHP_INT_MAX, PHP_INT_MIN] as $dimension) {
                $p->id[0] = 7;
                $p->gives(Status::InvalidArgument, $p->ffi->lyger_vector_new($dimension, $p->id));
                $p->check($p->id[0] === 0, 'no id on an error');
            }
            $p->gives(Status::Ok, $p->ffi->lyger_vector_new(65_536, $p->id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_new(2, $p->id),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_free' => [
        'misuse' => static function (Probe $p) use ($index, $wrongIds): void {
            $wrongIds($p, static fn (int $id) => $p->ffi->lyger_vector_free($id));
            $id = $index($p);
            $p->gives(Status::Ok, $p->ffi->lyger_vector_free($id));
            $p->gives(Status::InvalidHandle, $p->ffi->lyger_vector_free($id));
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_free(1),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_add' => [
        'misuse' => static function (Probe $p) use ($index, $count, $wrongIds): void {
            $wrongIds($p, static fn (int $id) => $p->ffi->lyger_vector_add($id, null, 0, null, 0));
            $id = $index($p);
            $add = static fn (?string $ids, int $idsLen, $vectors, int $vectorsLen): int => $p->ffi->lyger_vector_add(
                $id,
                $ids,
                $idsLen,
                $vectors,
                $vectorsLen,
            );
            $two = pack('P*', 8, 9);
            $p->gives(Status::NullPointer, $add(null, 8, pack('g*', 1, 2), 8));
            $p->gives(Status::NullPointer, $add($two, 16, null, 16));
            $p->gives(Status::TooLong, $add($two, -1, pack('g*', 1, 2), 8));
            $p->gives(Status::TooLong, $add($two, 16, $p->nowhere(), PHP_INT_MAX));
            $p->gives(Status::InvalidVector, $add($two, 15, pack('g*', 1, 2, 3, 4), 16));
            $p->gives(Status::InvalidVector, $add($two, 16, pack('g*', 1, 2, 3, 4), 15));
            $p->gives(Status::InvalidVector, $add($two, 16, pack('g*', 1, 2, 3), 12));
            $p->gives(Status::InvalidVector, $add($two, 16, pack('g*', 1, 2, 3, 4, 5, 6), 24));
            foreach ([NAN, INF, -INF] as $wrong) {
                $p->gives(Status::InvalidVector, $add($two, 16, pack('g*', 1, 2, 3, $wrong), 16));
                $p->check(json_decode($p->lastError())->value === 9, 'the id is told');
            }
            $p->check($count($p, $id) === 3, 'all or nothing');
            $p->gives(Status::Ok, $add($two, 16, pack('g*', 1, 2, 3, 4), 16));
            $p->check($count($p, $id) === 5, 'both');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_add(1, null, 0, null, 0),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_remove' => [
        'misuse' => static function (Probe $p) use ($index, $count, $wrongIds): void {
            $wrongIds($p, static fn (int $id) => $p->ffi->lyger_vector_remove($id, null, 0, $p->id));
            $id = $index($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_remove($id, pack('P', 1), 8, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_remove($id, null, 8, $p->id));
            $p->gives(Status::TooLong, $p->ffi->lyger_vector_remove($id, $p->nowhere(), -1, $p->id));
            $p->gives(Status::InvalidVector, $p->ffi->lyger_vector_remove($id, pack('P', 1), 7, $p->id));
            $p->check($count($p, $id) === 3, 'nothing was removed');
            $p->gives(Status::Ok, $p->ffi->lyger_vector_remove($id, pack('P*', 1, 5, 1, -2), 32, $p->id));
            $p->check($p->id[0] === 2 && $count($p, $id) === 1, 'both that were there');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_remove(1, null, 0, $p->id),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_get' => [
        'misuse' => static function (Probe $p) use ($index, $wrongIds): void {
            $wrongIds($p, static fn (int $id) => $p->ffi->lyger_vector_get($id, 1, $p->buffer, 4096, $p->needed));
            $id = $index($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_get($id, 1, $p->buffer, 4096, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_get($id, 1, null, 8, $p->needed));
            $p->gives(Status::TooLong, $p->ffi->lyger_vector_get($id, 1, $p->buffer, -1, $p->needed));
            $p->gives(Status::NotFound, $p->ffi->lyger_vector_get($id, 2, $p->buffer, 4096, $p->needed));
            $p->gives(Status::BufferTooSmall, $p->ffi->lyger_vector_get($id, 1, $p->buffer, 7, $p->needed));
            $p->gives(Status::BufferTooSmall, $p->ffi->lyger_vector_get($id, 1, null, 0, $p->needed));
            $p->gives(Status::Ok, $p->ffi->lyger_vector_get($id, 1, $p->buffer, 8, $p->needed));
            $p->check($p->written() === pack('g*', 3, 4), 'its floats');
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_get(1, 1, $p->buffer, 4096, $p->needed),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_search' => [
        'misuse' => static function (Probe $p) use ($index, $search, $wrongIds): void {
            $wrongIds($p, static fn (int $id) => $search($p, $id));
            $id = $index($p);
            $p->gives(Status::NullPointer, $search($p, $id, ['query' => null]));
            $p->gives(Status::NullPointer, $search($p, $id, ['among_len' => 8]));
            $p->gives(Status::NullPointer, $search($p, $id, ['buf' => null]));
            $p->gives(Status::NullPointer, $search($p, $id, ['needed' => null]));
            $p->gives(Status::TooLong, $search($p, $id, ['query_len' => -1]));
            $p->gives(Status::TooLong, $search($p, $id, ['among' => '', 'among_len' => -1]));
            foreach ([0, 4, 7] as $length) {
                $p->gives(Status::InvalidVector, $search($p, $id, ['query_len' => $length]));
            }
            foreach ([NAN, INF] as $wrong) {
                $p->gives(Status::InvalidVector, $search($p, $id, ['query' => pack('g*', 1, $wrong)]));
            }
            $p->gives(Status::InvalidVector, $search($p, $id, ['among' => pack('P', 1), 'among_len' => 7]));
            foreach ([3, -1] as $metric) {
                $p->gives(Status::InvalidArgument, $search($p, $id, ['metric' => $metric]));
            }
            $p->gives(Status::BufferTooSmall, $search($p, $id, ['cap' => 35]));
            $p->gives(Status::Ok, $search($p, $id, ['k' => 0, 'buf' => null, 'cap' => 0]));
            $p->check($p->needed[0] === 0, 'nothing of nothing');
            $p->gives(Status::Ok, $search($p, $id, ['among' => '']));
            $p->check($p->needed[0] === 0, 'nothing among nothing');
            $p->gives(Status::Ok, $search($p, $id, ['k' => -1]));
            $p->check($p->written() === pack('P*', 1, -2, PHP_INT_MAX) . pack('g*', 1, 0, -1), 'ids and scores');
            $p->ffi->lyger_vector_new(2, $p->id);
            $p->gives(Status::Ok, $search($p, $p->id[0]));
            $p->check($p->needed[0] === 0, 'nothing in an empty index');
        },
        'valid' => static fn (Probe $p) => $search($p, 1),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_load' => [
        'misuse' => static function (Probe $p) use ($index, $count, $wrongIds): void {
            $load = static fn (int $id, string $sql) => $p->ffi->lyger_vector_load(
                $id,
                $p->call(),
                $sql,
                strlen($sql),
                null,
                0,
                $p->id,
            );
            $wrongIds($p, static fn (int $id) => $load($id, 'SELECT 1'));
            $id = $index($p);
            $sql = "SELECT 5, '[1,2]'";
            $length = strlen($sql);
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_load($id, null, $sql, $length, null, 0, $p->id));
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_load($id, $p->call(), $sql, $length, null, 0, null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_load($id, $p->call(), null, 1, null, 0, $p->id));
            $other = $p->call(['size' => 1]);
            $p->gives(Status::InvalidArgument, $p->ffi->lyger_vector_load($id, $other, $sql, $length, null, 0, $p->id));
            $p->gives(Status::QueryFailed, $load($id, 'SELECT nothing'));
            $p->gives(Status::UnsupportedType, $load($id, 'SELECT 1'));
            foreach (["'[1]'", 'NULL', '1', "'[1,null]'", "x'00'", "'[1,1e39]'"] as $wrong) {
                $p->gives(Status::InvalidVector, $load($id, "SELECT 5, '[1,2]' UNION ALL SELECT 6, $wrong"));
                $p->check(json_decode($p->lastError())->value === 6, 'the id is told');
            }
            $p->check($p->id[0] === 0 && $count($p, $id) === 3, 'all or nothing');
            $p->gives(Status::Ok, $load($id, $sql));
            $p->check($p->id[0] === 1 && $count($p, $id) === 4, 'the row was added');
        },
        'valid' => static function (Probe $p): void {
            $p->ffi->lyger_vector_load(1, $p->call(), 'SELECT 1', 8, null, 0, $p->id);
        },
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_save' => [
        'misuse' => static function (Probe $p) use ($index, $wrongIds): void {
            $path = sys_get_temp_dir() . '/lyger-misuse-save-' . getmypid();
            $wrongIds($p, static fn (int $id) => $p->ffi->lyger_vector_save($id, $path, strlen($path)));
            $p->check(!file_exists($path), 'nothing was written');
            $id = $index($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_save($id, null, 1));
            $p->gives(Status::InvalidArgument, $p->ffi->lyger_vector_save($id, '', 0));
            $p->gives(Status::InvalidArgument, $p->ffi->lyger_vector_save($id, "a\0b", 3));
            $p->gives(Status::TooLong, $p->ffi->lyger_vector_save($id, $p->nowhere(), -1));
            $p->gives(Status::IndexFileFailed, $p->ffi->lyger_vector_save($id, '/nowhere/at/all', 15));
            $p->gives(Status::IndexFileFailed, $p->ffi->lyger_vector_save($id, '/tmp/..', 7));
            $p->gives(Status::Ok, $p->ffi->lyger_vector_save($id, $path, strlen($path)));
            $p->check(filesize($path) === 24 + 3 * 16 + 8, 'as long as it should be');
            $p->check(glob("$path.*") === [], 'nothing beside it');
            unlink($path);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_save(1, 'x', 1),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_open' => [
        'misuse' => static function (Probe $p) use ($index, $count): void {
            $path = sys_get_temp_dir() . '/lyger-misuse-open-' . getmypid();
            $open = static fn () => $p->ffi->lyger_vector_open($path, strlen($path), $p->id);
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_open($path, strlen($path), null));
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_open(null, 1, $p->id));
            $p->gives(Status::InvalidArgument, $p->ffi->lyger_vector_open(null, 0, $p->id));
            $p->gives(Status::TooLong, $p->ffi->lyger_vector_open($p->nowhere(), -1, $p->id));
            $p->gives(Status::IndexFileFailed, $open());
            $p->gives(Status::IndexDamaged, $p->ffi->lyger_vector_open('/dev/zero', 9, $p->id));
            $p->ffi->lyger_vector_save($index($p), $path, strlen($path));
            $whole = (string) file_get_contents($path);
            foreach (['', substr($whole, 0, -1), "$whole\0", str_repeat('x', 80), strrev($whole)] as $wrong) {
                file_put_contents($path, $wrong);
                $p->gives(Status::IndexDamaged, $open());
                $p->check($p->id[0] === 0, 'no id on an error');
            }
            file_put_contents($path, $whole);
            $p->gives(Status::Ok, $open());
            $p->check($count($p, $p->id[0]) === 3, 'all of them');
            unlink($path);
        },
        'valid' => static fn (Probe $p) => $p->ffi->lyger_vector_open('x', 1, $p->id),
        'child' => Status::WrongProcess,
    ],
    'lyger_vector_stat' => [
        'misuse' => static function (Probe $p) use ($index, $wrongIds): void {
            $info = FFI::addr($p->ffi->new('lyger_vector_info', false));
            $wrongIds($p, static fn (int $id) => $p->ffi->lyger_vector_stat($id, $info));
            $id = $index($p);
            $p->gives(Status::NullPointer, $p->ffi->lyger_vector_stat($id, null));
            $p->gives(Status::Ok, $p->ffi->lyger_vector_stat($id, $info));
            $p->check($info[0]->dimension === 2 && $info[0]->count === 3 && $info[0]->memory_bytes > 24, 'stat');
        },
        'valid' => static function (Probe $p): void {
            $p->ffi->lyger_vector_stat(1, FFI::addr($p->ffi->new('lyger_vector_info', false)));
        },
        'child' => Status::WrongProcess,
    ],
];
