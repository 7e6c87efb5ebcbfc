<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Cache\Condition;
use Lyger\Cache\Driver;
use Lyger\Cache\Expiry;
use Lyger\Cache\Sessions;
use Lyger\Core\Status;
use SensitiveParameter;

/**
 * A cache of the engine, by its id: its table, or a server that it has opened.
 *
 * find() is the way that everything else waits for. A call fills a buffer that is kept; what was read lately stays here
 * as a copy, which is the answer as long as the memory that all workers share says that nobody has changed it.
 */
final class CacheTable implements Driver
{
    /** The process's own, or its fleet's. */
    private const OWN = 0;

    /** What most values fit into. */
    private const BUFFER_BYTES = 65_536;
    private const NOT_FOUND = -12;
    /** What lyger_store_set sets for one that wasn't there before, SIZE_MAX. */
    private const NONE_BEFORE = -1;

    private readonly FFI $ffi;
    private readonly CData $buffer;
    private readonly CData $reader;
    private readonly CData $readerPointer;
    private readonly CData $needed;
    private readonly CData $neededPointer;
    private readonly CData $number;
    private readonly CData $numberPointer;
    private readonly CData $other;
    private readonly CData $otherPointer;
    private readonly CData $flag;
    private readonly CData $flagPointer;
    private readonly ValueCopies $copies;

    /** @param int $copiesBytesMax of keys and values that are copied here; 0 for none */
    public static function own(Abi $abi, int $copiesBytesMax): self
    {
        return new self($abi, self::OWN, $copiesBytesMax);
    }

    public static function open(Abi $abi, #[SensitiveParameter] string $dsn): self
    {
        $store = $abi->ffi->new('uint64_t');
        $abi->check($abi->ffi->lyger_store_open($dsn, \strlen($dsn), FFI::addr($store)));
        return new self($abi, $store->cdata, 0);
    }

    public function __destruct()
    {
        if ($this->store !== self::OWN) {
            // Refused in a child of fork(), and where the engine has been released: there is nothing to give back.
            $this->ffi->lyger_store_close($this->store);
        }
    }

    private function __construct(
        private readonly Abi $abi,
        private readonly int $store,
        int $copiesBytesMax,
    ) {
        $this->copies = new ValueCopies($copiesBytesMax);
        $ffi = $this->ffi = $abi->ffi;
        $this->buffer = $ffi->new('char[' . self::BUFFER_BYTES . ']');
        $this->reader = $ffi->new('lyger_reader');
        $this->reader->size = FFI::sizeof($this->reader);
        $this->reader->store = $store;
        $this->reader->buf = $ffi->cast('char *', FFI::addr($this->buffer));
        $this->reader->cap = self::BUFFER_BYTES;
        $this->readerPointer = FFI::addr($this->reader);
        [$this->needed, $this->number] = [$ffi->new('size_t'), $ffi->new('int64_t')];
        [$this->other, $this->flag] = [$ffi->new('uint64_t'), $ffi->new('uint8_t')];
        [$this->neededPointer, $this->numberPointer] = [FFI::addr($this->needed), FFI::addr($this->number)];
        [$this->otherPointer, $this->flagPointer] = [FFI::addr($this->other), FFI::addr($this->flag)];
    }

    public function find(string $key): ?string
    {
        $copy = $this->copies->byKey[$key] ?? null;
        if (
            $copy !== null
            && $copy->sequence[0] === $copy->version
            && --$copy->readsLeft > 0
            && ($copy->expiresAt === 0 || \microtime(true) * 1000.0 < $copy->expiresAt)
        ) {
            return $copy->bytes;
        }
        return $this->read($key, $copy);
    }

    private function read(string $key, ?ValueCopy $old): ?string
    {
        if ($old !== null) {
            $this->copies->drop($key, $old);
        }
        $length = $this->ffi->lyger_store_find($this->readerPointer, $key, \strlen($key));
        if ($length > 0) {
            if ($length > self::BUFFER_BYTES) {
                return $this->left($length);
            }
            $bytes = FFI::string($this->buffer, $length);
            if ($this->copies->isWorth($old)) {
                $this->copies->keep($key, $bytes, $this->reader);
            }
            return $bytes;
        }
        if ($length === 0) {
            return '';
        }
        return $length === self::NOT_FOUND ? null : throw $this->abi->failure(-$length);
    }

    public function put(string $key, string $value, int $ttlMs): void
    {
        $status = $this->ffi->lyger_store_put(
            $this->store,
            $key,
            \strlen($key),
            $value,
            \strlen($value),
            $ttlMs,
        );
        if ($status !== 0) {
            throw $this->abi->failure($status);
        }
    }

    public function set(string $key, string $value, Condition $condition, Expiry $expiry): bool
    {
        $this->abi->check($this->ffi->lyger_store_set(
            $this->store,
            $key,
            \strlen($key),
            $value,
            \strlen($value),
            $condition->value,
            $expiry->kind,
            $expiry->ms,
            $this->flagPointer,
            null,
            0,
            null,
        ));
        return $this->flag->cdata === 1;
    }

    public function swap(string $key, string $value, Condition $condition, Expiry $expiry): array
    {
        $status = $this->ffi->lyger_store_set(
            $this->store,
            $key,
            \strlen($key),
            $value,
            \strlen($value),
            $condition->value,
            $expiry->kind,
            $expiry->ms,
            $this->flagPointer,
            $this->buffer,
            self::BUFFER_BYTES,
            $this->neededPointer,
        );
        $stored = $this->flag->cdata === 1;
        return [$stored, $this->needed->cdata === self::NONE_BEFORE ? null : $this->output($status)];
    }

    public function compareAndSet(string $key, string $expected, string $value): bool
    {
        $this->abi->check($this->ffi->lyger_store_compare_and_set(
            $this->store,
            $key,
            \strlen($key),
            $expected,
            \strlen($expected),
            $value,
            \strlen($value),
            $this->flagPointer,
        ));
        return $this->flag->cdata === 1;
    }

    public function delete(string $key): bool
    {
        $this->abi->check($this->ffi->lyger_store_delete($this->store, $key, \strlen($key), $this->flagPointer));
        return $this->flag->cdata === 1;
    }

    public function exists(string $key): bool
    {
        $this->abi->check($this->ffi->lyger_store_exists($this->store, $key, \strlen($key), $this->flagPointer));
        return $this->flag->cdata === 1;
    }

    public function ttl(string $key): int
    {
        $this->abi->check($this->ffi->lyger_store_ttl($this->store, $key, \strlen($key), $this->numberPointer));
        return $this->number->cdata;
    }

    public function expire(string $key, Expiry $expiry): bool
    {
        [$kind, $ms] = [$expiry->kind, $expiry->ms];
        $this->abi->check(
            $this->ffi->lyger_store_expire($this->store, $key, \strlen($key), $kind, $ms, $this->flagPointer)
        );
        return $this->flag->cdata === 1;
    }

    public function increment(string $key, int $by): int
    {
        $this->abi->check(
            $this->ffi->lyger_store_increment($this->store, $key, \strlen($key), $by, $this->numberPointer)
        );
        return $this->number->cdata;
    }

    public function incrementFloat(string $key, float $by): float
    {
        $sum = $this->ffi->new('double');
        $this->abi->check(
            $this->ffi->lyger_store_increment_float($this->store, $key, \strlen($key), $by, FFI::addr($sum))
        );
        return $sum->cdata;
    }

    public function append(string $key, string $bytes): int
    {
        $this->abi->check($this->ffi->lyger_store_append(
            $this->store,
            $key,
            \strlen($key),
            $bytes,
            \strlen($bytes),
            $this->neededPointer,
        ));
        return $this->needed->cdata;
    }

    public function range(string $key, int $first, int $last): string
    {
        return (string) $this->output($this->ffi->lyger_store_get_range(
            $this->store,
            $key,
            \strlen($key),
            $first,
            $last,
            $this->buffer,
            self::BUFFER_BYTES,
            $this->neededPointer,
        ));
    }

    public function writeAt(string $key, int $offset, string $bytes): int
    {
        $this->abi->check($this->ffi->lyger_store_set_range(
            $this->store,
            $key,
            \strlen($key),
            $offset,
            $bytes,
            \strlen($bytes),
            $this->neededPointer,
        ));
        return $this->needed->cdata;
    }

    public function take(string $key): ?string
    {
        [$length, $room] = [\strlen($key), self::BUFFER_BYTES];
        return $this->output(
            $this->ffi->lyger_store_take($this->store, $key, $length, $this->buffer, $room, $this->neededPointer)
        );
    }

    public function touch(string $key, Expiry $expiry): ?string
    {
        return $this->output($this->ffi->lyger_store_touch(
            $this->store,
            $key,
            \strlen($key),
            $expiry->kind,
            $expiry->ms,
            $this->buffer,
            self::BUFFER_BYTES,
            $this->neededPointer,
        ));
    }

    public function getMany(array $keys): array
    {
        $packed = Strings::pack($keys);
        [$length, $room] = [\strlen($packed), self::BUFFER_BYTES];
        return Strings::unpack((string) $this->output(
            $this->ffi->lyger_store_get_many($this->store, $packed, $length, $this->buffer, $room, $this->neededPointer)
        ));
    }

    public function setMany(array $pairs, bool $ifMissing, Expiry $expiry): bool
    {
        $packed = Strings::pack(\array_merge(...$pairs));
        $this->abi->check($this->ffi->lyger_store_set_many(
            $this->store,
            $packed,
            \strlen($packed),
            (int) $ifMissing,
            $expiry->kind,
            $expiry->ms,
            $this->flagPointer,
        ));
        return $this->flag->cdata === 1;
    }

    public function deleteMany(array $keys): int
    {
        $packed = Strings::pack($keys);
        $this->abi->check(
            $this->ffi->lyger_store_delete_many($this->store, $packed, \strlen($packed), $this->otherPointer)
        );
        return $this->other->cdata;
    }

    public function scan(int $cursor, int $count): array
    {
        $keys = Strings::unpack((string) $this->output($this->ffi->lyger_store_scan(
            $this->store,
            $cursor,
            $count,
            $this->otherPointer,
            $this->buffer,
            self::BUFFER_BYTES,
            $this->neededPointer,
        )));
        return [$this->other->cdata, $keys];
    }

    public function size(): int
    {
        $this->abi->check($this->ffi->lyger_store_size($this->store, $this->otherPointer));
        return $this->other->cdata;
    }

    public function clear(): void
    {
        $this->abi->check($this->ffi->lyger_store_clear($this->store));
    }

    public function stats(): array
    {
        $status = $this->ffi->lyger_store_stats($this->store, $this->buffer, self::BUFFER_BYTES, $this->neededPointer);
        return \json_decode((string) $this->output($status), true, 2, JSON_THROW_ON_ERROR);
    }

    public function lock(string $name, int $ttlMs): ?int
    {
        $this->abi->check(
            $this->ffi->lyger_lock_take($this->store, $name, \strlen($name), $ttlMs, $this->otherPointer)
        );
        return $this->other->cdata ?: null;
    }

    public function unlock(string $name, int $token): bool
    {
        $this->abi->check(
            $this->ffi->lyger_lock_release($this->store, $name, \strlen($name), $token, $this->flagPointer)
        );
        return $this->flag->cdata === 1;
    }

    public function extendLock(string $name, int $token, int $ttlMs): bool
    {
        $this->abi->check(
            $this->ffi->lyger_lock_extend($this->store, $name, \strlen($name), $token, $ttlMs, $this->flagPointer)
        );
        return $this->flag->cdata === 1;
    }

    public function lockHolder(string $name): ?int
    {
        $this->abi->check($this->ffi->lyger_lock_holder($this->store, $name, \strlen($name), $this->otherPointer));
        return $this->other->cdata ?: null;
    }

    public function countRate(string $name, int $windowMs): array
    {
        $this->abi->check($this->ffi->lyger_rate_count(
            $this->store,
            $name,
            \strlen($name),
            $windowMs,
            $this->otherPointer,
            $this->neededPointer,
        ));
        return [$this->other->cdata, $this->needed->cdata];
    }

    public function readRate(string $name): array
    {
        $this->abi->check($this->ffi->lyger_rate_read(
            $this->store,
            $name,
            \strlen($name),
            $this->otherPointer,
            $this->neededPointer,
        ));
        return [$this->other->cdata, $this->needed->cdata];
    }

    public function resetRate(string $name): void
    {
        $this->abi->check($this->ffi->lyger_rate_reset($this->store, $name, \strlen($name)));
    }

    public function takeOff(string $key, int $patienceMs): array
    {
        $value = $this->output($this->ffi->lyger_flight_take_off(
            $this->store,
            $key,
            \strlen($key),
            $patienceMs,
            $this->otherPointer,
            $this->buffer,
            self::BUFFER_BYTES,
            $this->neededPointer,
        ));
        return [$value, $this->other->cdata];
    }

    public function land(string $key, int $token, string $value, Expiry $expiry): bool
    {
        $this->abi->check($this->ffi->lyger_flight_land(
            $this->store,
            $key,
            \strlen($key),
            $token,
            $value,
            \strlen($value),
            $expiry->kind,
            $expiry->ms,
            $this->flagPointer,
        ));
        return $this->flag->cdata === 1;
    }

    public function abandon(string $key, int $token): void
    {
        $this->abi->check($this->ffi->lyger_flight_abandon($this->store, $key, \strlen($key), $token));
    }

    public function sessions(): Sessions
    {
        [$buffer, $room, $needed] = [$this->buffer, self::BUFFER_BYTES, $this->neededPointer];
        return new SessionTable($this->abi, $this->store, $buffer, $room, $needed, $this->output(...));
    }

    /** What a call has written; null for NOT_FOUND. */
    private function output(int $status): ?string
    {
        if ($status === Status::BufferTooSmall->value) {
            return $this->left($this->needed->cdata);
        }
        if ($status === Status::NotFound->value) {
            return null;
        }
        $this->abi->check($status);
        return $this->needed->cdata === 0 ? '' : FFI::string($this->buffer, $this->needed->cdata);
    }

    /** What didn't fit. */
    private function left(int $length): string
    {
        $buffer = $this->ffi->new("char[$length]");
        $this->abi->check($this->ffi->lyger_store_output($buffer, $length, $this->neededPointer));
        return FFI::string($buffer, $this->needed->cdata);
    }
}
