<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Driver\Statement as DriverStatement;
use Doctrine\DBAL\ParameterType;
use Lyger\Database\Bytes;
use Lyger\Database\Loose;

/** A statement and its parameters; the engine prepares it, once for each of its connections. */
final class Statement implements DriverStatement
{
    /** @var array<int|string, array{mixed, int}> value and type, by position (counted from 0) or name */
    private array $bound = [];

    public function __construct(private readonly Connection $connection, private readonly string $sql)
    {
    }

    public function bindValue($param, $value, $type = ParameterType::STRING): bool
    {
        $this->bound[is_int($param) ? $param - 1 : $param] = [$value, $type];
        return true;
    }

    public function bindParam($param, &$variable, $type = ParameterType::STRING, $length = null): bool
    {
        $bound = [null, $type];
        $bound[0] = &$variable;
        $this->bound[is_int($param) ? $param - 1 : $param] = $bound;
        return true;
    }

    public function execute($params = null): Result
    {
        $bound = $params === null
            ? array_map(static fn (array $bound): mixed => self::value(...$bound), $this->bound)
            : Loose::params($params);
        return $this->connection->execute($this->sql, $bound);
    }

    /** @param int $type of ParameterType */
    private static function value(mixed $value, $type): mixed
    {
        $value = Loose::value($value);
        if ($value === null) {
            return null;
        }
        return match ($type) {
            ParameterType::NULL => null,
            ParameterType::BOOLEAN => (bool) $value,
            ParameterType::INTEGER => is_string($value) && is_numeric($value) ? (int) $value : $value,
            ParameterType::BINARY, ParameterType::LARGE_OBJECT => $value instanceof Bytes
                ? $value
                : new Bytes((string) $value),
            default => $value,
        };
    }
}
