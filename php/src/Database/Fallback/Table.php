<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Generator;
use Lyger\Database\Bytes;

/** The rows of a statement as PHP values. */
final class Table
{
    /**
     * @param list<Column> $columns
     * @param list<list<mixed>> $rows values in the columns' order; Bytes mark a cell of raw bytes in any column
     */
    public function __construct(
        public readonly array $columns,
        public readonly array $rows,
        public readonly int $affected = 0,
        public readonly int|string|null $lastInsertId = null,
    ) {
    }

    /** @return Generator<int, self> parts of so many rows */
    public function chunks(int $count): Generator
    {
        for ($from = 0; $from < count($this->rows); $from += $count) {
            yield $this->slice($from, $count);
        }
    }

    public function slice(int $from, ?int $count): self
    {
        return new self($this->columns, array_slice($this->rows, $from, $count), $this->affected, $this->lastInsertId);
    }

    /**
     * The rows as PDO's FETCH_ASSOC gives them: of columns with one name, the first place and the last value.
     *
     * @return list<array<string, mixed>>
     */
    public function assoc(): array
    {
        $names = array_column($this->columns, 'name');
        $kinds = array_column($this->columns, 'kind');
        $rows = [];
        foreach ($this->rows as $row) {
            $assoc = [];
            foreach ($row as $index => $value) {
                $assoc[$names[$index]] = self::plain($value, $kinds[$index]);
            }
            $rows[] = $assoc;
        }
        return $rows;
    }

    /**
     * The values of one column, as assoc() has them.
     *
     * @return list<mixed>
     */
    public function column(int $index): array
    {
        $kind = $this->columns[$index]->kind ?? null;
        return array_map(static fn (array $row): mixed => self::plain($row[$index], $kind), $this->rows);
    }

    private static function plain(mixed $value, ?Kind $kind): mixed
    {
        return match (true) {
            $value instanceof Bytes => $value->bytes,
            is_string($value) && ($kind === Kind::Single || $kind === Kind::Number) => (float) $value,
            default => $value,
        };
    }

    /** The rows as a JSON array of objects, byte for byte what the engine writes. */
    public function json(): string
    {
        return '[' . implode(',', $this->objects()) . ']';
    }

    /** @return list<string> each row as a JSON array of all its cells */
    public function arrays(): array
    {
        $kinds = array_column($this->columns, 'kind');
        return array_map(
            static fn (array $row): string => '[' . implode(',', array_map(JsonText::value(...), $row, $kinds)) . ']',
            $this->rows,
        );
    }

    /** @return list<string> each row as a JSON object */
    public function objects(): array
    {
        $keys = [];
        foreach ($this->columns as $index => $column) {
            $keys[$index] = JsonText::quote($column->name) . ':';
        }
        $rows = [];
        foreach ($this->rows as $row) {
            $cells = [];
            foreach ($row as $index => $value) {
                $cells[$keys[$index]] = $keys[$index] . JsonText::value($value, $this->columns[$index]->kind);
            }
            $rows[] = '{' . implode(',', $cells) . '}';
        }
        return $rows;
    }
}
