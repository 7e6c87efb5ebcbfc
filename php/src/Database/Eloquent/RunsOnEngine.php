<?php

declare(strict_types=1);

namespace Lyger\Database\Eloquent;

use BackedEnum;
use Closure;
use Doctrine\DBAL\Connection as DoctrineConnection;
use Generator;
use Illuminate\Database\QueryException;
use LogicException;
use Lyger\Core\ResultInfo;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Database\Dialect;
use Lyger\Database\Doctrine\Driver;
use Lyger\Database\Fallback\Dsn;
use Lyger\Database\Loose;
use Lyger\Database\Quote;
use Lyger\Exception\LygerException;

/**
 * What Illuminate\Database\Connection does through PDO, through the engine. Signatures are those of Laravel 8 to 12.
 *
 * What always holds: nothing about a request is kept here, because several may share the object; whatever fails is a
 * Failure, which Eloquent makes a QueryException of.
 */
trait RunsOnEngine
{
    use Transacts;

    /** As it was given: for respond(). */
    private readonly Db $db;
    /** Eloquent reads times in the form in which it writes them. */
    private readonly Db $lyger;

    public function __construct(Db $db, string $name = 'default', string $prefix = '')
    {
        $this->db = $db;
        $this->lyger = $db->times('sql');
        $parsed = Dsn::parse($db->dsn());
        $database = $parsed->isMemory() ? ':memory:' : $parsed->database;
        parent::__construct(static fn () => throw self::noPdo(), $database, $prefix, [
            'driver' => $db->dialect(),
            'name' => $name,
            'database' => $database,
            'prefix' => $prefix,
            'prefix_indexes' => true,
            'schema' => 'public', // where PostgreSQL's builder looks for tables, as Laravel's own configuration says
        ]);
    }

    public function db(): Db
    {
        return $this->db;
    }

    /** @return list<object> */
    public function select($query, $bindings = [], $useReadPdo = true, array $fetchUsing = [])
    {
        return $this->run($query, $bindings, fn (string $query, array $bindings): array => $this->pretending()
            ? []
            : array_map(static fn (array $row): object => (object) $row, $this->attempt(
                fn (): array => $this->lyger->query($query, $this->params($bindings))
            )));
    }

    /** @return Generator<int, object> rows while the database still has the rest */
    public function cursor($query, $bindings = [], $useReadPdo = true, array $fetchUsing = [])
    {
        $rows = $this->run($query, $bindings, function (string $query, array $bindings): ?Generator {
            if ($this->pretending()) {
                return null;
            }
            $rows = $this->lyger->stream($query, $this->params($bindings));
            $this->attempt($rows->valid(...)); // runs it, so that a mistake in it is a QueryException
            return $rows;
        });
        while ($rows?->valid() === true) {
            yield (object) $rows->current();
            $this->attempt($rows->next(...));
        }
    }

    public function insert($query, $bindings = [], $sequence = null)
    {
        return $this->statement($query, $bindings);
    }

    public function insertRow(string $query, array $bindings = []): ResultInfo
    {
        return $this->run($query, $bindings, function (string $query, array $bindings): ResultInfo {
            $this->recordsHaveBeenModified();
            return $this->pretending() ? new ResultInfo(0, 0, 0, null) : $this->execute($query, $bindings);
        });
    }

    public function statement($query, $bindings = [])
    {
        return $this->run($query, $bindings, function (string $query, array $bindings): bool {
            if (!$this->pretending()) {
                $this->recordsHaveBeenModified();
                $this->execute($query, $bindings);
            }
            return true;
        });
    }

    public function affectingStatement($query, $bindings = [])
    {
        return $this->run($query, $bindings, function (string $query, array $bindings): int {
            $affected = $this->pretending() ? 0 : $this->execute($query, $bindings)->affected;
            $this->recordsHaveBeenModified($affected > 0);
            return $affected;
        });
    }

    public function unprepared($query)
    {
        return $this->statement($query);
    }

    public function prepareBindings(array $bindings)
    {
        $prepared = parent::prepareBindings($bindings);
        foreach ($bindings as $key => $value) {
            if ($value instanceof BackedEnum) {
                $prepared[$key] = $value->value;
            } elseif ($value instanceof Bytes) {
                $prepared[$key] = $value->bytes;
            }
        }
        return $prepared;
    }

    /**
     * Bindings as Db takes them.
     *
     * @param array<mixed> $bindings
     * @return array<mixed>
     */
    public function params(array $bindings): array
    {
        $isBytes = static fn (mixed $value): bool => $value instanceof Bytes;
        return array_filter($bindings, $isBytes) + Loose::params($this->prepareBindings($bindings));
    }

    public function getPdo()
    {
        throw self::noPdo();
    }

    public function getReadPdo()
    {
        throw self::noPdo();
    }

    public function getRawPdo()
    {
        return null;
    }

    public function getRawReadPdo()
    {
        return null;
    }

    public function setPdo($pdo)
    {
        return $pdo === null ? $this : throw self::noPdo();
    }

    public function setReadPdo($pdo)
    {
        return $this->setPdo($pdo);
    }

    /** The engine's pool connects by itself. */
    public function reconnect()
    {
    }

    public function reconnectIfMissingConnection()
    {
    }

    public function reconnectIfNecessary()
    {
    }

    /** What is open is the engine's: its pool closes what lies unused, and a request's end what was left behind. */
    public function disconnect()
    {
    }

    public function getServerVersion(): string
    {
        $function = $this->dialect() === Dialect::Sqlite ? 'sqlite_version()' : 'version()';
        return (string) $this->attempt(fn (): mixed => $this->lyger->value("SELECT $function"));
    }

    /** A Doctrine connection to the same database, which the schema builder of Laravel 8 to 10 changes columns with. */
    public function getDoctrineConnection(): DoctrineConnection
    {
        return $this->doctrineConnection ??= $this->doctrine();
    }

    /**
     * Doctrine's driver for this database.
     *
     * @return \Doctrine\DBAL\Driver
     */
    protected function getDoctrineDriver()
    {
        return $this->getDoctrineConnection()->getDriver();
    }

    /** Whether it ran before is unknown, so it isn't run again; Db::retry() is for those who know. */
    protected function tryAgainIfCausedByLostConnection(QueryException $e, $query, $bindings, Closure $callback)
    {
        throw $e;
    }

    protected function escapeString($value)
    {
        return Quote::text($value, $this->dialect());
    }

    protected function dialect(): Dialect
    {
        return Dialect::from($this->lyger->dialect());
    }

    /**
     * @template T
     * @param Closure(): T $statement
     * @return T
     */
    protected function attempt(Closure $statement): mixed
    {
        try {
            return $statement();
        } catch (LygerException $failure) {
            throw Failure::of($failure, $this->dialect());
        }
    }

    private function doctrine(): DoctrineConnection
    {
        $connection = Driver::connection($this->lyger);
        foreach ($this->doctrineTypeMappings as $name => $type) {
            $connection->getDatabasePlatform()->registerDoctrineTypeMapping($type, $name);
        }
        return $connection;
    }

    /** @param array<mixed> $bindings */
    private function execute(string $query, array $bindings): ResultInfo
    {
        return $this->attempt(fn (): ResultInfo => $this->lyger->execute($query, $this->params($bindings)));
    }

    private static function noPdo(): LogicException
    {
        return new LogicException(
            'There is no PDO: Lyger\'s engine runs the statements. Use the methods of the connection (select(), '
                . 'statement(), insertGetId() of a query, transaction()), or its db(), a Lyger\\Database\\Db.'
        );
    }
}
