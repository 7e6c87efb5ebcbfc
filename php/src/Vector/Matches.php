<?php

declare(strict_types=1);

namespace Lyger\Vector;

use ArrayIterator;
use Countable;
use IteratorAggregate;
use JsonSerializable;
use Lyger\Database\Db;
use Lyger\Http\SqlResponse;

/**
 * What a search has found, the best first: score by id.
 *
 *     foreach ($index->search($query) as $id => $score) { ... }
 *
 * @implements IteratorAggregate<int, float>
 */
final class Matches implements IteratorAggregate, Countable, JsonSerializable
{
    /** @param array<int, float> $scores by id */
    public function __construct(private readonly array $scores)
    {
    }

    /** @return list<int> */
    public function ids(): array
    {
        return array_keys($this->scores);
    }

    /** @return list<float> */
    public function scores(): array
    {
        return array_values($this->scores);
    }

    /** @return ArrayIterator<int, float> */
    public function getIterator(): ArrayIterator
    {
        return new ArrayIterator($this->scores);
    }

    public function count(): int
    {
        return count($this->scores);
    }

    /** @return list<array{id: int, score: float|null}> null for infinities and what is no number, which JSON lacks */
    public function jsonSerialize(): array
    {
        return array_map(
            static fn (int $id, float $score): array => ['id' => $id, 'score' => is_finite($score) ? $score : null],
            $this->ids(),
            $this->scores(),
        );
    }

    /**
     * An answer of rows that belong to the matches, in every shape that SqlResponse has. The statement may use a table
     * `matches(id, score, place)`, in which the best has place 1:
     *
     *     return $index->similarTo($id)->respond(
     *         $db,
     *         'SELECT p.*, m.score FROM matches m JOIN products p ON p.id = m.id ORDER BY m.place',
     *     );
     *
     * @param array<mixed> $params
     */
    public function respond(Db $db, string $sql, array $params = []): SqlResponse
    {
        return $db->respond(...MatchTable::before($db->dialect(), $this->scores, $sql, $params));
    }
}
