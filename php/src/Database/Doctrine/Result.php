<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Driver\FetchUtils;
use Doctrine\DBAL\Driver\Result as DriverResult;
use Generator;
use Lyger\Database\Dialect;
use Lyger\Database\Result as Rows;

/** A statement's rows. They lie in the engine and become PHP values a slice at a time, while they are fetched. */
final class Result implements DriverResult
{
    /** @var Generator<int, array<string, mixed>>|null */
    private ?Generator $left = null;

    public function __construct(private readonly Dialect $dialect, private ?Rows $rows)
    {
    }

    /** @return list<mixed>|false */
    public function fetchNumeric()
    {
        $row = $this->fetchAssociative();
        if ($row !== false && count($row) !== $this->columnCount()) {
            throw Failure::because('several columns have one name, and one would be lost: name them with AS');
        }
        return $row === false ? false : array_values($row);
    }

    /** @return array<string, mixed>|false */
    public function fetchAssociative()
    {
        if ($this->rows === null) {
            return false;
        }
        return Failure::convert($this->dialect, function (): array|false {
            $this->left === null ? $this->left = $this->rows->getIterator() : $this->left->next();
            return $this->left->valid() ? $this->left->current() : false;
        });
    }

    public function fetchOne()
    {
        return FetchUtils::fetchOne($this);
    }

    public function fetchAllNumeric(): array
    {
        return FetchUtils::fetchAllNumeric($this);
    }

    public function fetchAllAssociative(): array
    {
        return FetchUtils::fetchAllAssociative($this);
    }

    public function fetchFirstColumn(): array
    {
        return FetchUtils::fetchFirstColumn($this);
    }

    /** How many rows were affected, or selected. */
    public function rowCount(): int
    {
        return match (true) {
            $this->rows === null => 0,
            $this->columnCount() > 0 => count($this->rows),
            default => $this->rows->affected,
        };
    }

    public function columnCount(): int
    {
        return $this->rows?->columns() ?? 0;
    }

    public function free(): void
    {
        $this->rows = $this->left = null;
    }
}
