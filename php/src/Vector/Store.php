<?php

declare(strict_types=1);

namespace Lyger\Vector;

use Lyger\Database\Options;
use Lyger\Exception\LygerException;
use SensitiveParameter;

/**
 * What an Index keeps its vectors in: the native library's memory, or PHP's. Both give the same ids, scores, files and
 * errors: the test suite runs against each and compares. A vector is packed, little-endian floats of 4 bytes.
 *
 * @internal
 */
interface Store
{
    public function dimension(): int;

    public function count(): int;

    public function memoryBytes(): int;

    /**
     * Adds or replaces vectors: all of them, or none.
     *
     * @param list<int> $ids of one that is there twice the last vector is kept
     * @param string $vectors one behind the other, as many as there are ids and each of the dimension
     * @throws LygerException where one is not finite
     */
    public function add(array $ids, string $vectors): void;

    /**
     * Adds what a statement gives: ids in the first column, vectors in the second. All of them, or none.
     *
     * @param array<mixed> $params
     * @return int how many rows there were
     */
    public function addFrom(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int;

    /**
     * @param list<int> $ids
     * @return int how many of them were there
     */
    public function remove(array $ids): int;

    /** Null where there is none. */
    public function vector(int $id): ?string;

    /**
     * The best, the very best first; of equal ones the lowest id.
     *
     * @param string $query of the dimension
     * @param int $k at least 1
     * @param list<int>|null $among the ids that may be found
     * @return array<int, float> score by id
     * @throws LygerException where the query is not finite
     */
    public function search(string $query, int $k, Metric $metric, ?array $among): array;

    /** Writes a file that is whole or not there. */
    public function save(string $path): void;
}
