<?php

declare(strict_types=1);

namespace Lyger\Database;

/** The parameters of a statement, by position or by name. */
final class Given
{
    /**
     * @param list<string>|null $names without the colon, in the order of the values; null by position
     * @param list<null|bool|int|float|string|Bytes|list<null|bool|int|float|string|Bytes>> $values
     */
    public function __construct(public readonly ?array $names, public readonly array $values)
    {
    }

    /** What messages call a parameter: 1 is the first position. */
    public function label(int $index): string
    {
        return $this->names === null ? (string) ($index + 1) : ':' . $this->names[$index];
    }
}
