<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Database\Options;
use Lyger\Database\Params;
use Lyger\Exception\LygerException;
use Lyger\Vector\Metric;
use Lyger\Vector\Store;
use SensitiveParameter;

/** Vectors in the engine's memory, which it gives back with this object. */
final class Vectors implements Store
{
    private const METRICS = ['dot' => 0, 'cosine' => 1, 'l2' => 2];
    private const ID_BYTES = 8;
    private const SCORE_BYTES = 4;

    private readonly FFI $ffi;
    private readonly int $dimension;

    private function __construct(private readonly Abi $abi, private readonly Call $call, private readonly int $id)
    {
        $this->ffi = $abi->ffi;
        $this->dimension = $this->stat()->dimension;
    }

    public static function of(Abi $abi, Call $call, int $dimension): self
    {
        $id = $abi->ffi->new('uint64_t');
        $abi->check($abi->ffi->lyger_vector_new($dimension, FFI::addr($id)));
        return new self($abi, $call, $id->cdata);
    }

    public static function open(Abi $abi, Call $call, string $path): self
    {
        $id = $abi->ffi->new('uint64_t');
        $abi->check($abi->ffi->lyger_vector_open($path, strlen($path), FFI::addr($id)));
        return new self($abi, $call, $id->cdata);
    }

    public function __destruct()
    {
        // Refused in a child of fork(), and where the engine has been released: there is nothing to give back.
        $this->ffi->lyger_vector_free($this->id);
    }

    public function dimension(): int
    {
        return $this->dimension;
    }

    public function count(): int
    {
        return $this->stat()->count;
    }

    public function memoryBytes(): int
    {
        return $this->stat()->memory_bytes;
    }

    public function add(array $ids, string $vectors): void
    {
        $packed = self::pack($ids);
        $this->abi->check($this->ffi->lyger_vector_add(
            $this->id,
            $packed,
            strlen($packed),
            $vectors,
            strlen($vectors),
        ));
    }

    public function addFrom(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int
    {
        $packed = Params::pack($params);
        $loaded = $this->ffi->new('uint64_t');
        $this->abi->check($this->ffi->lyger_vector_load(
            $this->id,
            $this->call->of($dsn, $options),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
            FFI::addr($loaded),
        ));
        return $loaded->cdata;
    }

    public function remove(array $ids): int
    {
        $packed = self::pack($ids);
        $removed = $this->ffi->new('uint64_t');
        $this->abi->check($this->ffi->lyger_vector_remove($this->id, $packed, strlen($packed), FFI::addr($removed)));
        return $removed->cdata;
    }

    public function vector(int $id): ?string
    {
        return $this->abi->find(
            fn (CData $buffer, int $bytes, CData $needed): int
                => $this->ffi->lyger_vector_get($this->id, $id, $buffer, $bytes, $needed)
        );
    }

    public function search(string $query, int $k, Metric $metric, ?array $among): array
    {
        $ids = $among === null ? null : self::pack($among);
        // Called again for want of room it would search again.
        $most = min($k, $this->count(), $among === null ? $k : count($among));
        $found = $this->abi->text(
            fn (CData $buffer, int $bytes, CData $needed): int => $this->ffi->lyger_vector_search(
                $this->id,
                $query,
                strlen($query),
                self::METRICS[$metric->value],
                $k,
                $ids,
                strlen((string) $ids),
                $buffer,
                $bytes,
                $needed,
            ),
            $most * (self::ID_BYTES + self::SCORE_BYTES),
        );
        $count = intdiv(strlen($found), self::ID_BYTES + self::SCORE_BYTES);
        return $count === 0 ? [] : array_combine(
            unpack("P$count", $found),
            unpack("g$count", $found, self::ID_BYTES * $count),
        );
    }

    public function save(string $path): void
    {
        $this->abi->check($this->ffi->lyger_vector_save($this->id, $path, strlen($path)));
    }

    /** @throws LygerException */
    private function stat(): CData
    {
        $info = $this->ffi->new('lyger_vector_info');
        $this->abi->check($this->ffi->lyger_vector_stat($this->id, FFI::addr($info)));
        return $info;
    }

    /** @param list<int> $ids */
    private static function pack(array $ids): string
    {
        return pack('P*', ...$ids);
    }
}
