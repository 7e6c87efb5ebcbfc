<?php

declare(strict_types=1);

namespace Lyger\Database;

use Countable;
use Generator;
use IteratorAggregate;
use Lyger\Core\Engine;
use Lyger\Core\ResultInfo;
use Lyger\Exception\InvalidHandle;
use stdClass;

/**
 * A statement's result. Its rows lie in the engine, as typed columns, and become PHP values a slice at a time while one
 * iterates; it can be gone through again. They are freed with this object.
 *
 * @implements IteratorAggregate<int, array<string, mixed>>
 */
final class Result implements IteratorAggregate, Countable
{
    /** Few enough to stay small beside the columns, and enough that a slice's own cost doesn't count. */
    private const SLICE_ROWS = 500;

    public readonly int $affected;
    public readonly int|string|null $lastInsertId;
    private readonly ResultInfo $info;

    /** @internal Db::result() makes them. */
    public function __construct(private readonly Engine $engine, private readonly int $id)
    {
        $this->info = $engine->resultInfo($id);
        $this->affected = $this->info->affected;
        $this->lastInsertId = $this->info->lastInsertId;
    }

    /** How many rows there are. */
    public function count(): int
    {
        return $this->info->rows;
    }

    /** How many columns there are; 0 where the statement gives no rows. */
    public function columns(): int
    {
        return $this->info->columns;
    }

    /** @return Generator<int, array<string, mixed>> */
    public function getIterator(): Generator
    {
        for ($from = 0; $from < $this->info->rows; $from += self::SLICE_ROWS) {
            foreach ($this->engine->resultRows($this->id, $from, self::SLICE_ROWS) as $row) {
                yield $row;
            }
        }
    }

    /** @return list<array<string, mixed>> */
    public function all(): array
    {
        return $this->engine->resultRows($this->id);
    }

    /**
     * One object a row: how a class is filled says Objects.
     *
     * @template T of object
     * @param class-string<T> $class
     * @return Generator<int, T>
     */
    public function objects(string $class = stdClass::class): Generator
    {
        $objects = new Objects($class);
        foreach ($this->getIterator() as $row) {
            yield $objects->of($row);
        }
    }

    /**
     * The values of one column, or of the first.
     *
     * @return list<mixed>
     */
    public function column(?string $name = null): array
    {
        if ($name === null) {
            return $this->engine->resultColumn($this->id);
        }
        $values = [];
        foreach ($this->getIterator() as $row) {
            if (!array_key_exists($name, $row)) {
                throw Objects::noColumn($name, $row);
            }
            $values[] = $row[$name];
        }
        return $values;
    }

    /** The rows as a JSON array of objects. */
    public function json(): string
    {
        return $this->engine->jsonifyResult($this->id);
    }

    public function __destruct()
    {
        try {
            $this->engine->freeResult($this->id);
        } catch (InvalidHandle) {
            // Engine::release() has dropped them all.
        }
    }

    private function __clone()
    {
    }
}
