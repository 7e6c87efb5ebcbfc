<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Generator;
use Lyger\Database\Bytes;
use Lyger\Database\Options;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\UnsupportedType;
use PDO;
use PDOException;
use PDOStatement;

/**
 * SQLite through PDO.
 *
 * In SQLite the value has the type and not the column; the declared type adds booleans, dates and JSON, which have no
 * storage class. Decimals are stored as numbers, so there is nothing to ask for. PDO cannot bind floats, so they go as
 * text through a function of our own. It cannot be interrupted either: db.statement_timeout_ms doesn't hold here.
 */
final class SqliteConnection implements Connection
{
    private const BUSY_TIMEOUT_SECONDS = 5;
    private const CONSTRAINT = 19;

    private readonly PDO $pdo;

    public function __construct(Dsn $dsn, private readonly Limits $limits)
    {
        if (!extension_loaded('pdo_sqlite')) {
            throw ConnectionFailed::to((string) $dsn, 'SQLite without the native engine needs ext-pdo_sqlite', '08001');
        }
        try {
            $this->pdo = new PDO("sqlite:{$dsn->database}", null, null, [
                PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
                PDO::ATTR_TIMEOUT => self::BUSY_TIMEOUT_SECONDS,
            ]);
            $this->pdo->exec('PRAGMA foreign_keys = ON');
        } catch (PDOException $exception) {
            $reason = preg_replace('/^SQLSTATE\[\w+\] \[\d+\] /', '', $exception->getMessage());
            throw ConnectionFailed::to((string) $dsn, (string) $reason, '08001');
        }
        $this->pdo->sqliteCreateFunction('lyger_float', floatval(...), 1, PDO::SQLITE_DETERMINISTIC);
    }

    public function query(string $sql, array $params, Options $options = new Options()): Table
    {
        $statement = $this->prepare($sql, $params);
        try {
            [$changesBefore, , $idBefore] = $this->counters();
            $statement->execute();
            $table = $this->read($statement, $options);
            $statement->closeCursor();
            [$changes, $affected, $id] = $this->counters();
        } catch (PDOException $exception) {
            throw self::failure($exception);
        }
        $affected = $changes === $changesBefore ? 0 : $affected;
        $inserts = in_array(Tokens::firstKeyword($sql), ['INSERT', 'REPLACE'], true);
        $inserted = $affected > 0 && ($id !== $idBefore || $inserts) ? $id : null;
        return new Table($table->columns, $table->rows, $affected, $inserted);
    }

    public function stream(string $sql, array $params, Options $options = new Options()): Generator
    {
        $statement = $this->prepare($sql, $params);
        try {
            $statement->execute();
            do {
                $table = $this->read($statement, $options, self::CHUNK_ROWS);
                if ($table->rows !== []) {
                    yield $table;
                }
            } while (count($table->rows) === self::CHUNK_ROWS);
        } catch (PDOException $exception) {
            throw self::failure($exception);
        } finally {
            $statement->closeCursor();
        }
    }

    /** PDO cannot interrupt SQLite. */
    public function limit(?int $timeoutMs): void
    {
    }

    public function isAlive(): bool
    {
        return true;
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    private function prepare(string $sql, array $params): PDOStatement
    {
        [$rewritten, $count] = Tokens::forSqlite($sql, array_fill_keys(self::floats($params), 'lyger_float'));
        if (Tokens::hasSecondStatement($sql)) {
            throw QueryFailed::because('one statement per query: there is more SQL behind the first `;`', '42601');
        }
        try {
            $statement = $this->pdo->prepare($rewritten);
        } catch (PDOException $exception) {
            throw self::failure($exception);
        }
        if ($count !== count($params)) {
            throw InvalidParams::count($count, count($params));
        }
        self::bind($statement, $params);
        return $statement;
    }

    private static function failure(PDOException $exception): QueryFailed
    {
        $isConstraint = ($exception->errorInfo[1] ?? null) === self::CONSTRAINT;
        return QueryFailed::because(
            $exception->errorInfo[2] ?? $exception->getMessage(),
            $isConstraint ? '23000' : 'HY000',
        );
    }

    private function read(PDOStatement $statement, Options $options, int $rowsMax = PHP_INT_MAX): Table
    {
        $rules = [];
        $columns = [];
        $rows = [];
        $budget = new Budget($this->limits->resultBytesMax);
        while (count($rows) < $rowsMax && ($cells = $statement->fetch(PDO::FETCH_NUM)) !== false) {
            foreach ($cells as $index => $value) {
                if (!isset($columns[$index])) {
                    $meta = $statement->getColumnMeta($index) ?: [];
                    $rules[$index] = self::rule($meta['sqlite:decl_type'] ?? '');
                    $kind = $rules[$index] === 'JSON' ? Kind::Json : Kind::Text;
                    $columns[$index] = new Column($meta['name'] ?? '', $kind);
                }
                if (is_string($value) && in_array('blob', $statement->getColumnMeta($index)['flags'] ?? [], true)) {
                    $value = new Bytes($value);
                }
                $cells[$index] = $value === null ? null : match ($rules[$index]) {
                    '' => $value,
                    'BOOL' => $value === 0 || $value === 1 ? $value === 1 : $value,
                    'DATE' => is_string($value) && !$options->timesAsSql ? self::withT($value) : $value,
                    'JSON' => self::json($value, $columns[$index]->name),
                };
            }
            $budget->take($cells);
            $rows[] = $cells;
        }
        // Without a row SQLite tells no names, and nobody needs them; how many there are is told.
        for ($index = count($columns); $index < $statement->columnCount(); $index++) {
            $columns[$index] = new Column('', Kind::Text);
        }
        return new Table(array_values($columns), $rows);
    }

    /** @return array{int, int, int} all changes of the connection, those of the last statement, the last row's id */
    private function counters(): array
    {
        return $this->pdo->query('SELECT total_changes(), changes(), last_insert_rowid()')->fetch(PDO::FETCH_NUM);
    }

    /**
     * @param list<mixed> $params
     * @return list<int> positions, counted from 1
     */
    private static function floats(array $params): array
    {
        $floats = array_keys(array_filter($params, is_float(...)));
        foreach ($floats as $index) {
            if (is_nan($params[$index])) {
                throw InvalidParams::because('parameter ' . ($index + 1) . ': SQLite has no NaN');
            }
        }
        return array_map(static fn (int $index): int => $index + 1, $floats);
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    private static function bind(PDOStatement $statement, array $params): void
    {
        foreach ($params as $index => $value) {
            match (true) {
                $value === null => $statement->bindValue($index + 1, null, PDO::PARAM_NULL),
                is_bool($value), is_int($value) => $statement->bindValue($index + 1, (int) $value, PDO::PARAM_INT),
                is_float($value) => $statement->bindValue($index + 1, self::digits($value)),
                $value instanceof Bytes => $statement->bindValue($index + 1, $value->bytes, PDO::PARAM_LOB),
                default => $statement->bindValue($index + 1, $value),
            };
        }
    }

    /** Digits that floatval() reads back to the same float, which knows no word for infinity. */
    private static function digits(float $value): string
    {
        return is_finite($value) ? FloatText::double($value) : ($value > 0 ? '1e999' : '-1e999');
    }

    private static function rule(string $declared): string
    {
        $word = strtoupper(preg_split('/[^A-Za-z0-9]/', trim($declared))[0] ?? '');
        return match (true) {
            str_starts_with($word, 'BOOL') => 'BOOL',
            in_array($word, ['DATE', 'DATETIME', 'TIMESTAMP'], true) => 'DATE',
            $word === 'JSON' => 'JSON',
            default => '',
        };
    }

    private static function withT(string $text): string
    {
        return preg_match('/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$/D', $text) === 1
            ? substr_replace($text, 'T', 10, 1)
            : $text;
    }

    /** A JSON column holds one text per cell, also where SQLite's affinity made the text `5` an integer. */
    private static function json(mixed $value, string $column): string
    {
        if (is_string($value)) {
            json_decode($value, false, 128);
            $error = json_last_error_msg();
            return json_last_error() === JSON_ERROR_NONE
                ? $value
                : throw UnsupportedType::json($column, "invalid JSON ($error)");
        }
        return match (true) {
            is_int($value) => (string) $value,
            is_float($value) && is_finite($value) => FloatText::double($value),
            default => throw UnsupportedType::json($column, is_float($value) ? (string) $value : 'a BLOB'),
        };
    }
}
