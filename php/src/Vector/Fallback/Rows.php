<?php

declare(strict_types=1);

namespace Lyger\Vector\Fallback;

use Closure;
use Lyger\Database\Fallback\Table;
use Lyger\Database\Options;
use Lyger\Exception\InvalidVector;
use Lyger\Vector\Metric;
use Lyger\Vector\Store;
use SensitiveParameter;

/** Vectors in PHP's memory. */
final class Rows implements Store
{
    /** A string's head and its end, what an array takes for an entry, and a norm with its own. */
    private const OVERHEAD_BYTES = 25 + 32 + 32;

    /** @var array<int, string> packed, by id */
    private array $rows = [];
    /** @var array<int, float> of those that a cosine was asked of */
    private array $norms = [];

    /** @param Closure(string, string, array<mixed>, Options): iterable<Table> $tables the rows of a statement */
    public function __construct(
        private readonly int $dimension,
        private readonly Limits $limits,
        private readonly Closure $tables,
    ) {
        $limits->checkDimension($dimension);
    }

    /** @param Closure(string, string, array<mixed>, Options): iterable<Table> $tables */
    public static function load(string $path, Limits $limits, Closure $tables): self
    {
        $check = static function (int $dimension, int $count) use ($limits): void {
            $limits->checkDimension($dimension);
            $limits->checkBytes(self::bytes($dimension, $count));
        };
        [$dimension, $rows] = File::read($path, $check);
        $store = new self($dimension, $limits, $tables);
        $store->rows = $rows;
        return $store;
    }

    /**
     * @param array<int, float> $elements as unpack() gives them, from 1
     * @param int|null $id whose they are, null for the query's
     * @throws InvalidVector where one is not finite
     */
    public static function check(array $elements, ?int $id): void
    {
        // The sum of finite floats of 32 bits is finite in 64, and nothing makes that of others finite again.
        if (is_finite(array_sum($elements))) {
            return;
        }
        foreach ($elements as $at => $element) {
            if (!is_finite($element)) {
                $value = is_nan($element) ? 'NaN' : ($element > 0 ? 'inf' : '-inf');
                $position = $at - 1;
                $what = $id === null ? 'the query' : "the vector of id $id";
                throw InvalidVector::because(
                    "$what has $value at element $position: only finite numbers can be compared",
                    $id === null ? null : (string) $id,
                );
            }
        }
    }

    public function dimension(): int
    {
        return $this->dimension;
    }

    public function count(): int
    {
        return count($this->rows);
    }

    public function memoryBytes(): int
    {
        return self::bytes($this->dimension, count($this->rows));
    }

    public function add(array $ids, string $vectors): void
    {
        // Of no bytes PHP 8.1 makes one part, and later ones none.
        $this->put($ids === [] ? [] : array_map(null, $ids, str_split($vectors, 4 * $this->dimension)));
    }

    public function addFrom(#[SensitiveParameter] string $dsn, string $sql, array $params, Options $options): int
    {
        $pairs = [];
        // Elements of `numeric[]` are decimals, and strings otherwise.
        $numbers = $options->with(decimalsAsNumbers: true);
        foreach (($this->tables)($dsn, $sql, $params, $numbers) as $table) {
            foreach ($table->rows as $row) {
                $pairs[] = SqlRow::read($row, $table->columns, count($pairs) + 1, $this->dimension);
            }
        }
        $this->put($pairs);
        return count($pairs);
    }

    public function remove(array $ids): int
    {
        $before = count($this->rows);
        foreach ($ids as $id) {
            unset($this->rows[$id], $this->norms[$id]);
        }
        return $before - count($this->rows);
    }

    public function vector(int $id): ?string
    {
        return $this->rows[$id] ?? null;
    }

    public function search(string $query, int $k, Metric $metric, ?array $among): array
    {
        $elements = unpack('g*', $query);
        self::check($elements, null);
        $candidates = $among === null ? $this->rows : array_intersect_key($this->rows, array_flip($among));
        $scores = [];
        $norm = $metric === Metric::Cosine ? Lanes::norm($query) : 0.0;
        foreach ($candidates as $id => $row) {
            $scores[$id] = match ($metric) {
                Metric::Cosine => Lanes::cosine(Lanes::dot($elements, $row), $norm, $this->norm($id, $row)),
                Metric::Dot => Lanes::dot($elements, $row),
                Metric::L2 => Lanes::l2($elements, $row),
            };
        }
        return self::best($scores, $k, $metric);
    }

    public function save(string $path): void
    {
        File::write($path, $this->dimension, $this->rows);
    }

    /** @param list<array{int, string}> $pairs id and vector */
    private function put(array $pairs): void
    {
        foreach ($pairs as [$id, $row]) {
            self::check(unpack('g*', $row), $id);
        }
        $added = array_diff_key(array_column($pairs, 0, 0), $this->rows);
        $this->limits->checkBytes(self::bytes($this->dimension, count($this->rows) + count($added)));
        foreach ($pairs as [$id, $row]) {
            unset($this->norms[$id]);
            $this->rows[$id] = $row;
        }
    }

    private static function bytes(int $dimension, int $count): int
    {
        return $count * (4 * $dimension + self::OVERHEAD_BYTES);
    }

    private function norm(int $id, string $row): float
    {
        return $this->norms[$id] ??= Lanes::norm($row);
    }

    /**
     * @param array<int, float> $scores
     * @return array<int, float>
     */
    private static function best(array $scores, int $k, Metric $metric): array
    {
        $ids = array_keys($scores);
        $isNone = array_map(is_nan(...), $scores); // what is no number comes last, and has no order
        $ranks = array_map(static fn (float $score): float => is_nan($score) ? 0.0 : $score, $scores);
        array_multisort($isNone, $ranks, $metric === Metric::L2 ? SORT_ASC : SORT_DESC, $ids);
        $best = [];
        foreach (array_slice($ids, 0, $k) as $id) {
            $best[$id] = $scores[$id];
        }
        return $best;
    }
}
