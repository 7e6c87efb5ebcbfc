<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use mysqli_stmt;

/** The rows of an executed statement, fetched from the server one by one: mysqli's own results have all of them. */
final class MysqlRows
{
    /** @var list<object> */
    private readonly array $fields;
    /** @var list<mixed> what mysqli writes each row to */
    private array $cells = [];

    public function __construct(private readonly mysqli_stmt $statement)
    {
        $metadata = $statement->result_metadata();
        $this->fields = $metadata === false ? [] : $metadata->fetch_fields();
        if ($this->fields !== []) {
            $this->cells = array_fill(0, count($this->fields), null);
            $places = [];
            foreach (array_keys($this->cells) as $index) {
                $places[] = &$this->cells[$index];
            }
            $statement->bind_result(...$places);
        }
    }

    /** @return list<object> */
    public function fields(): array
    {
        return $this->fields;
    }

    /** @return list<mixed>|null */
    public function next(): ?array
    {
        if ($this->fields === [] || $this->statement->fetch() !== true) {
            return null;
        }
        $row = [];
        foreach ($this->cells as $cell) {
            $row[] = $cell; // not the reference
        }
        return $row;
    }

    public function close(): void
    {
        $this->statement->close();
    }
}
