<?php

declare(strict_types=1);

namespace Lyger\Vector;

use Countable;
use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\LygerException;

/**
 * Vectors by id, and which of them are most like a given one: an exact search over all.
 *
 *     $index = Index::of(3);
 *     $index->add([1, 2], [[1, 0, 0], [0.8, 0.6, 0]]);
 *     $index->search([1, 0.1, 0], k: 1)->ids(); // [1]
 *
 * Floats have 32 bits. A vector is an array of numbers, or a string of little-endian floats, `pack('g*', ...$floats)`.
 * It lives in this process: each worker of a server has its own.
 */
final class Index implements Countable
{
    private function __construct(private readonly Store $store)
    {
    }

    /** An empty index. $dimension is how many floats each vector has. */
    public static function of(int $dimension): self
    {
        if ($dimension < 0) {
            throw InvalidArgument::because("vectors can't have $dimension elements", (string) $dimension);
        }
        return new self(Engine::getInstance()->vectors($dimension));
    }

    /** An index that save() has written. */
    public static function load(string $path): self
    {
        return new self(Engine::getInstance()->loadVectors($path));
    }

    /**
     * Adds one vector, or many: as many as ids, in their order. A vector whose id is there is replaced. All are added,
     * or none.
     *
     * @param int|array<int> $ids
     * @param string|array<int|float>|array<array<int|float>|string> $vectors
     */
    public function add(int|array $ids, string|array $vectors): void
    {
        $ids = Packed::ids(is_int($ids) ? [$ids] : $ids);
        $this->store->add($ids, Packed::vectors($ids, $vectors, $this->dimension()));
    }

    /**
     * Adds what a statement gives: an integer id in the first column, in the second a `vector` of pgvector, an array,
     * JSON or text `[1,2.5]`, or a BLOB or bytea of little-endian floats. All are added, or none.
     *
     * @param array<mixed> $params
     * @return int how many rows there were
     */
    public function addFrom(Db $db, string $sql, array $params = []): int
    {
        return $db->fill($this->store, $sql, $params);
    }

    /** @return int how many of them were there */
    public function remove(int ...$ids): int
    {
        return $this->store->remove(array_values($ids));
    }

    public function has(int $id): bool
    {
        return $this->store->vector($id) !== null;
    }

    /** @return list<float> as the index has it, each rounded to 32 bits */
    public function vector(int $id): array
    {
        return array_values(unpack('g*', $this->packed($id)));
    }

    /**
     * The vectors most like this one, the most alike first; of two that are equally so the lower id.
     *
     * @param string|array<int|float> $query
     * @param int $k how many at most
     * @param array<int>|null $among finds only these ids; those that the index lacks are not missed
     */
    public function search(
        string|array $query,
        int $k = 10,
        Metric $metric = Metric::Cosine,
        ?array $among = null,
    ): Matches {
        $query = Packed::query($query, $this->dimension());
        $among = $among === null ? null : Packed::ids($among);
        return new Matches($this->store->search($query, self::wanted($k), $metric, $among));
    }

    /**
     * search() by the vector of an id, which is itself left out.
     *
     * @param array<int>|null $among
     */
    public function similarTo(
        int $id,
        int $k = 10,
        Metric $metric = Metric::Cosine,
        ?array $among = null,
    ): Matches {
        $query = $this->packed($id);
        $among = $among === null ? null : Packed::ids($among);
        // One more than wanted, in case that it is among them.
        $scores = $this->store->search($query, min(self::wanted($k), PHP_INT_MAX - 1) + 1, $metric, $among);
        unset($scores[$id]);
        return new Matches(array_slice($scores, 0, $k, true));
    }

    /** Writes a file for load(), under another name until it is whole. */
    public function save(string $path): void
    {
        $this->store->save($path);
    }

    public function count(): int
    {
        return $this->store->count();
    }

    public function dimension(): int
    {
        return $this->store->dimension();
    }

    /** How many bytes the vectors take in memory. */
    public function memory(): int
    {
        return $this->store->memoryBytes();
    }

    /** @return array<string, int> for var_dump() */
    public function __debugInfo(): array
    {
        return ['dimension' => $this->dimension(), 'count' => $this->count(), 'memory' => $this->memory()];
    }

    /** @throws InvalidArgument always: the vectors are this process's */
    public function __serialize(): never
    {
        throw InvalidArgument::because("an index can't be serialized: save() writes it to a file, load() reads that");
    }

    /** @throws InvalidArgument always */
    public function __unserialize(array $data): void
    {
        throw InvalidArgument::because("an index can't be unserialized: load() reads the file that save() writes");
    }

    /** It would be two names of one store. */
    private function __clone()
    {
    }

    /** @throws LygerException where there is none */
    private function packed(int $id): string
    {
        return $this->store->vector($id)
            ?? throw InvalidArgument::because("there is no vector of id $id in the index", (string) $id);
    }

    private static function wanted(int $k): int
    {
        return $k >= 1 ? $k : throw InvalidArgument::because("at least 1 match is wanted, and not $k", (string) $k);
    }
}
