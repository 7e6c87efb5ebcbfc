<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Exception\UnsupportedType;
use PDO;

/** The types of one database: the built-in ones, and those that it names itself. */
final class PostgresTypes
{
    /** @var array<int, array{string, string}> kind and name by OID */
    private array $named = [];

    public function __construct(private readonly PDO $pdo)
    {
    }

    /** @throws UnsupportedType */
    public function of(int $oid, string $column): PostgresType
    {
        $type = PostgresType::ofOid($oid);
        if ($type !== null) {
            return $type;
        }
        [$kind, $name] = $this->named[$oid] ??= $this->look($oid);
        return $kind === 'e' || $name === 'citext'
            ? PostgresType::Text
            : throw UnsupportedType::column($column, $name, "write \"$column\"::text in the SELECT list");
    }

    /** @return array{string, string} */
    private function look(int $oid): array
    {
        $sql = "SELECT typtype, typname FROM pg_catalog.pg_type WHERE oid = $oid";
        $found = $this->pdo->query($sql)->fetch(PDO::FETCH_NUM);
        return is_array($found) ? [(string) $found[0], (string) $found[1]] : ['', "oid $oid"];
    }
}
