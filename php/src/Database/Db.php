<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Core\Engine;
use Lyger\Core\ResultInfo;
use Lyger\Database\Fallback\Dsn;
use Lyger\Http\SqlResponse;

/**
 * One database.
 *
 *     $db = Db::connect('sqlite:shop.sqlite');
 *     $rows = $db->query('SELECT id, name FROM products WHERE price < ?', [20]);
 *     return $db->respond('SELECT id, name FROM products WHERE price < ?', [20]);
 *
 * Parameters are bound, never spliced: `?` in every database, $1 in PostgreSQL too. They are null, bool, int, float,
 * string (UTF-8) and Bytes. Each statement may run on another connection, so none can open a transaction.
 */
final class Db
{
    private function __construct(private readonly string $dsn, private readonly Engine $engine)
    {
    }

    /** Connects at the first statement. */
    public static function connect(string $dsn): self
    {
        return new self($dsn, Engine::getInstance());
    }

    /**
     * The rows as PDO's FETCH_ASSOC gives them. Integers, floats, booleans and nulls have their types; decimals, dates
     * and JSON are strings in the forms of the documentation.
     *
     * @param array<mixed> $params
     * @return list<array<string, mixed>>
     */
    public function query(string $sql, array $params = []): array
    {
        return $this->engine->with($this->dsn, $sql, $params, $this->engine->resultRows(...));
    }

    /**
     * The first row, or null when there is none.
     *
     * @param array<mixed> $params
     * @return array<string, mixed>|null
     */
    public function first(string $sql, array $params = []): ?array
    {
        return $this->query($sql, $params)[0] ?? null;
    }

    /**
     * Runs a statement for what it does: ->affected rows, and the ->lastInsertId where the database tells it.
     *
     * @param array<mixed> $params
     */
    public function execute(string $sql, array $params = []): ResultInfo
    {
        return $this->engine->with($this->dsn, $sql, $params, $this->engine->resultInfo(...));
    }

    /**
     * The rows as a JSON array of objects.
     *
     * @param array<mixed> $params
     */
    public function json(string $sql, array $params = []): string
    {
        return $this->engine->with($this->dsn, $sql, $params, $this->engine->jsonifyResult(...));
    }

    /**
     * An answer of the rows, as a JSON array unless another shape is asked for: ->keyedBy('id'), ->single(),
     * ->envelope(), ->paged(1, 50), ->ndjson(), ->csv(); and with an ->etag().
     *
     * Under the native server they never become PHP values, and PHP doesn't wait for the database. The server has its
     * own connections: a database in memory (`sqlite::memory:`) is another one there.
     *
     * @param array<mixed> $params
     */
    public function respond(string $sql, array $params = []): SqlResponse
    {
        return SqlResponse::of($this, $sql, $params);
    }

    /**
     * The body of an answer of rows; null where a single row is asked for and there is none.
     *
     * @internal
     * @param array<mixed> $params
     */
    public function shaped(string $sql, array $params, RowShape $shape): ?string
    {
        $total = 0;
        if ($shape->name === 'paged') {
            $dialect = Dsn::parse($this->dsn)->dialect;
            $total = $this->query(Paging::count($dialect, $sql), $params)[0]['total'];
            [$sql, $params] = Paging::select($dialect, $sql, $params, $shape);
        }
        $shaped = fn (int $result): ?string => $this->engine->shapedResult($result, $shape, $total);
        return $this->engine->with($this->dsn, $sql, $params, $shaped);
    }

    public function dsn(): string
    {
        return $this->dsn;
    }
}
