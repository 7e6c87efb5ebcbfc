<?php

declare(strict_types=1);

namespace Lyger\Database\Doctrine;

use Doctrine\DBAL\Driver\ServerInfoAwareConnection;
use Doctrine\DBAL\ParameterType;
use Lyger\Database\Db;
use Lyger\Database\Dialect;
use Lyger\Database\Quote;
use Lyger\Database\Result as Rows;

/** What DBAL takes for a connection. Which one of the pool runs a statement is the engine's business, as with Db. */
final class Connection implements ServerInfoAwareConnection
{
    private readonly Dialect $dialect;
    private int|string|null $lastInsertId = null;
    private readonly Db $db;

    public function __construct(Db $db)
    {
        // Doctrine reads times in the form in which it writes them.
        $this->db = $db->times('sql');
        $this->dialect = Dialect::from($db->dialect());
    }

    public function prepare(string $sql): Statement
    {
        return new Statement($this, $sql);
    }

    public function query(string $sql): Result
    {
        return $this->execute($sql, []);
    }

    public function exec(string $sql): int
    {
        return $this->execute($sql, [])->rowCount();
    }

    /** @param array<mixed> $params */
    public function execute(string $sql, array $params): Result
    {
        return new Result($this->dialect, Failure::convert($this->dialect, function () use ($sql, $params): Rows {
            $rows = $this->db->result($sql, $params);
            $this->lastInsertId = $rows->lastInsertId ?? $this->lastInsertId;
            return $rows;
        }));
    }

    /** @param mixed $value */
    public function quote($value, $type = ParameterType::STRING): string
    {
        return Failure::convert($this->dialect, fn (): string => Quote::text((string) $value, $this->dialect));
    }

    /**
     * The id that the last INSERT here generated. In PostgreSQL it is the session's, so there it wants a transaction:
     * outside of one the next statement may run in another session. RETURNING does without.
     *
     * @param string|null $name a sequence of PostgreSQL's
     */
    public function lastInsertId($name = null): int|string
    {
        if ($this->dialect === Dialect::Pgsql) {
            return $this->sequenceValue($name);
        }
        return $this->lastInsertId ?? throw Failure::because('no statement here has generated an id');
    }

    public function beginTransaction(): bool
    {
        Failure::convert($this->dialect, fn () => $this->db->begin());
        return true;
    }

    public function commit(): bool
    {
        Failure::convert($this->dialect, fn () => $this->db->commit());
        return true;
    }

    public function rollBack(): bool
    {
        Failure::convert($this->dialect, fn () => $this->db->rollback());
        return true;
    }

    public function getServerVersion(): string
    {
        $sql = match ($this->dialect) {
            Dialect::Pgsql => 'SHOW server_version',
            Dialect::Mysql => 'SELECT version()',
            Dialect::Sqlite => 'SELECT sqlite_version()',
        };
        return Failure::convert($this->dialect, fn (): string => (string) $this->db->value($sql));
    }

    public function getNativeConnection(): Db
    {
        return $this->db;
    }

    private function sequenceValue(?string $name): int
    {
        return Failure::convert($this->dialect, function () use ($name): int {
            if (!$this->db->inTransaction()) {
                throw Failure::because(
                    'lastInsertId() of PostgreSQL wants a transaction, or INSERT ... RETURNING in its place: outside '
                        . 'of one the next statement may run in another session'
                );
            }
            return $name === null ? $this->db->value('SELECT lastval()') : $this->db->value(
                'SELECT currval(CAST(? AS text)::regclass)',
                [$name],
            );
        });
    }
}
