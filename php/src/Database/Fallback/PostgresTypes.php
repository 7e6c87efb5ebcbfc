<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Options;
use PDO;

/** The types of one database: the built-in ones, and those that it names itself. What isn't known is the server's text. */
final class PostgresTypes
{
    /** @var array<int, array{typtype: string, typname: string, base: int, element: int, delimiter: ?string}> by OID */
    private array $known = [];

    public function __construct(private readonly PDO $pdo)
    {
    }

    public function of(int $oid, Options $options = new Options()): PostgresReader
    {
        $type = PostgresType::ofOid($oid);
        if ($type !== null) {
            return match (true) {
                $type === PostgresType::Numeric && $options->decimalsAsNumbers => PostgresType::Number,
                !$options->timesAsSql => $type,
                in_array($type, [PostgresType::Timestamp, PostgresType::Timestamptz], true) => PostgresType::SqlTime,
                default => $type,
            };
        }
        $type = $this->known[$oid] ??= $this->look($oid);
        return match (true) {
            // The server tells a domain's base for a column, but not for the elements of an array.
            $type['typtype'] === 'd' => $this->of($type['base'], $options),
            $type['delimiter'] !== null
                => new PostgresArray($this->of($type['element'], $options), $type['delimiter']),
            // pgvector's text is a JSON array.
            in_array($type['typname'], ['vector', 'halfvec'], true) => PostgresType::Json,
            default => PostgresType::Text,
        };
    }

    /**
     * A type with a delimiter is an array: int2vector has elements, too, but is written in a way of its own.
     *
     * @return array{typtype: string, typname: string, base: int, element: int, delimiter: ?string}
     */
    private function look(int $oid): array
    {
        $sql = 'SELECT t.typtype, t.typname, t.typbasetype AS base, t.typelem AS element, e.typdelim AS delimiter '
            . 'FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e '
            . "ON e.oid = t.typelem AND t.typoutput = 'pg_catalog.array_out'::pg_catalog.regproc WHERE t.oid = $oid";
        $found = $this->pdo->query($sql)->fetch(PDO::FETCH_ASSOC);
        return is_array($found)
            ? $found
            : ['typtype' => '', 'typname' => '', 'base' => 0, 'element' => 0, 'delimiter' => null];
    }
}
