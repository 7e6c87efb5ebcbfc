<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Generator;
use Lyger\Database\Bytes;
use Lyger\Database\Options;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\Timeout;
use PDO;
use PDOException;
use PDOStatement;

/**
 * PostgreSQL through PDO, which sends and receives everything as text: the column's OID says what it is.
 */
final class PostgresConnection implements Connection
{
    private readonly PDO $pdo;
    private readonly PostgresTypes $types;
    private int $timeoutMs;
    private string $timeoutBefore = '0';

    public function __construct(private readonly Dsn $dsn, private readonly Limits $limits)
    {
        if (!extension_loaded('pdo_pgsql')) {
            $reason = 'PostgreSQL without the native engine needs ext-pdo_pgsql';
            throw ConnectionFailed::to((string) $dsn, $reason, '08001');
        }
        try {
            $this->pdo = new PDO(self::conninfo($dsn), $dsn->user ?? self::defaultUser(), $dsn->password, [
                PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
                PDO::ATTR_EMULATE_PREPARES => false,
                // One round trip: each statement is prepared anew anyway.
                PDO::PGSQL_ATTR_DISABLE_PREPARES => true,
                PDO::ATTR_TIMEOUT => max(2, (int) ceil($limits->acquireTimeoutMs / 1000)),
            ]);
            $this->pdo->exec("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; "
                . "SET bytea_output = 'hex'; SET extra_float_digits = 1; "
                . "SET client_encoding = 'UTF8'; SET statement_timeout = {$limits->statementTimeoutMs}");
        } catch (PDOException $exception) {
            throw PostgresFailure::connecting($dsn, $exception);
        }
        $this->types = new PostgresTypes($this->pdo);
        $this->timeoutMs = $limits->statementTimeoutMs;
    }

    public function query(string $sql, array $params, Options $options = new Options()): Table
    {
        [$rewritten, $count] = Tokens::forPdoPostgres($sql);
        if ($count !== count($params)) {
            if (in_array(Tokens::firstKeyword($sql), ['PREPARE', 'CREATE'], true)) {
                [$rewritten] = Tokens::forPdoPostgres($sql, false); // their $1 is their own
            } else {
                $this->hearServer($sql);
                throw InvalidParams::count($count, count($params));
            }
        }
        $began = microtime(true);
        try {
            [$statement, $table] = $this->run($rewritten, $params, $options);
        } catch (PDOException $exception) {
            throw $this->failure($sql, $exception, microtime(true) - $began);
        }
        // The command tag of a SELECT counts the rows it gave, which are not rows that it changed.
        $reads = in_array(Tokens::firstKeyword($sql), ['SELECT', 'VALUES', 'TABLE', 'SHOW', 'EXPLAIN'], true);
        return new Table($table->columns, $table->rows, $reads ? 0 : $statement->rowCount());
    }

    /** By a cursor in a transaction of its own: PDO itself would wait for every row. */
    public function stream(string $sql, array $params, Options $options = new Options()): Generator
    {
        $reads = in_array(Tokens::firstKeyword($sql), ['SELECT', 'VALUES', 'TABLE', 'WITH'], true);
        if (!$reads || preg_match('/\b(?:INSERT|UPDATE|DELETE|MERGE)\b/i', $sql) === 1) {
            yield from $this->query($sql, $params, $options)->chunks(self::CHUNK_ROWS);
            return;
        }
        $this->query('BEGIN', []);
        try {
            $this->query("DECLARE lyger NO SCROLL CURSOR FOR $sql", $params);
            do {
                $table = $this->query('FETCH ' . self::CHUNK_ROWS . ' FROM lyger', [], $options);
                if ($table->rows !== []) {
                    yield $table;
                }
            } while (count($table->rows) === self::CHUNK_ROWS);
            $this->query('COMMIT', []);
        } finally {
            try {
                if ($this->pdo->inTransaction()) {
                    $this->query('ROLLBACK', []);
                }
            } catch (LygerException) {
                // The connection broke, which is told already.
            }
        }
    }

    public function limit(?int $timeoutMs): void
    {
        if ($timeoutMs !== null) {
            $this->timeoutBefore = (string) $this->query('SHOW statement_timeout', [])->rows[0][0];
            $this->query("SET statement_timeout = $timeoutMs", []);
            $this->timeoutMs = $timeoutMs;
            return;
        }
        $this->timeoutMs = $this->limits->statementTimeoutMs;
        try {
            $this->query("SET statement_timeout = '$this->timeoutBefore'", []);
        } catch (QueryFailed $failed) {
            // In a failed transaction nothing can be set, and its rollback takes the setting along.
            if ($failed->sqlstate() !== '25P02') {
                throw $failed;
            }
        }
    }

    /**
     * @param list<null|bool|int|float|string|Bytes> $params
     * @return array{PDOStatement, Table}
     */
    private function run(string $rewritten, array $params, Options $options): array
    {
        $mayRepeat = array_filter($params, static fn (mixed $value): bool => is_bool($value) || is_float($value)) !== []
            && $this->pdo->inTransaction();
        try {
            if ($mayRepeat) {
                $this->pdo->exec('SAVEPOINT lyger_repeat');
            }
            $statement = $this->pdo->prepare($rewritten);
            self::bind($statement, $params);
            $statement->execute();
            $table = $this->read($statement, $options);
            if ($mayRepeat) {
                $this->pdo->exec('RELEASE SAVEPOINT lyger_repeat');
            }
            return [$statement, $table];
        } catch (PDOException $exception) {
            // PDO doesn't know which types the server inferred. Where a boolean or a whole float is no integer to it,
            // which it says before it runs anything, it is asked again with the digits that the native engine sends.
            $position = PostgresFailure::refusedInteger($exception) ?? 0;
            $value = $params[$position - 1] ?? null;
            if (is_bool($value) || (is_float($value) && floor($value) === $value && abs($value) < 2 ** 63)) {
                $params[$position - 1] = (int) $value;
                if ($mayRepeat) {
                    $this->pdo->exec('ROLLBACK TO SAVEPOINT lyger_repeat; RELEASE SAVEPOINT lyger_repeat');
                }
                return $this->run($rewritten, $params, $options);
            }
            throw $exception;
        }
    }

    /**
     * What the server has to say about a statement with $1 and without parameters: it comes first, as in the native
     * engine.
     */
    private function hearServer(string $sql): void
    {
        $words = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE', 'VALUES', 'WITH'];
        if (!in_array(Tokens::firstKeyword($sql), $words, true)) {
            return; // PREPARE takes no others
        }
        try {
            $this->pdo->exec('PREPARE lyger_heard AS ' . Tokens::forPdoPostgres($sql, false)[0]);
            $this->pdo->exec('DEALLOCATE lyger_heard');
        } catch (PDOException $exception) {
            throw $this->failure($sql, $exception, 0.0);
        }
    }

    public function isAlive(): bool
    {
        try {
            return $this->pdo->query('SELECT 1') !== false;
        } catch (PDOException) {
            return false;
        }
    }

    private function read(PDOStatement $statement, Options $options): Table
    {
        $columns = [];
        $types = [];
        for ($index = 0; $index < $statement->columnCount(); $index++) {
            $meta = $statement->getColumnMeta($index) ?: [];
            $name = (string) ($meta['name'] ?? '');
            $types[$index] = $this->types->of((int) ($meta['pgsql:oid'] ?? 0), $options);
            $columns[$index] = new Column($name, $types[$index]->kind());
        }
        $rows = [];
        $budget = new Budget($this->limits->resultBytesMax);
        while ($columns !== [] && ($cells = $statement->fetch(PDO::FETCH_NUM)) !== false) {
            foreach ($cells as $index => $value) {
                $cells[$index] = $value === null ? null : $types[$index]->value($value);
            }
            $budget->take($cells);
            $rows[] = $cells;
        }
        return new Table($columns, $rows);
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    private static function bind(PDOStatement $statement, array $params): void
    {
        foreach ($params as $index => $value) {
            $name = ':p' . ($index + 1);
            match (true) {
                $value === null => $statement->bindValue($name, null, PDO::PARAM_NULL),
                $value instanceof Bytes => $statement->bindValue($name, $value->bytes, PDO::PARAM_LOB),
                is_bool($value) => $statement->bindValue($name, $value ? 'true' : 'false'),
                is_float($value) => $statement->bindValue($name, self::digits($value)),
                default => $statement->bindValue($name, (string) $value),
            };
        }
    }

    private static function digits(float $value): string
    {
        return match (true) {
            is_nan($value) => 'NaN',
            is_infinite($value) => $value > 0 ? 'Infinity' : '-Infinity',
            default => FloatText::double($value),
        };
    }

    private function failure(string $sql, PDOException $exception, float $seconds): LygerException
    {
        $limitMs = $this->timeoutMs;
        if (PostgresFailure::isTimeout($exception, $seconds, $limitMs)) {
            return Timeout::after('the statement', $limitMs, $exception->errorInfo[0]);
        }
        // PDO's own count of placeholders: the statement has a $2 and no $1.
        if (($exception->errorInfo[0] ?? '') === 'HY093') {
            $this->hearServer($sql);
        }
        $status = (string) $this->pdo->getAttribute(PDO::ATTR_CONNECTION_STATUS);
        return PostgresFailure::running($this->dsn, $exception, !str_starts_with($status, 'Connection OK'));
    }

    private static function conninfo(Dsn $dsn): string
    {
        $host = $dsn->options['host'] ?? $dsn->host;
        $info = [
            'host' => $host !== '' ? $host : (getenv('PGHOST') ?: 'localhost'),
            'port' => $dsn->options['port'] ?? (string) ($dsn->port ?? (getenv('PGPORT') ?: 5432)),
            'dbname' => $dsn->options['dbname'] ?? $dsn->database,
        ];
        $others = ['host', 'port', 'dbname', 'user', 'password', 'connect_timeout'];
        $info += array_diff_key($dsn->options, array_flip($others));
        $text = '';
        foreach (array_filter($info, static fn (string $value): bool => $value !== '') as $key => $value) {
            $text .= "$key='" . addcslashes($value, "'\\") . "';";
        }
        return "pgsql:$text";
    }

    private static function defaultUser(): string
    {
        return getenv('PGUSER') ?: (getenv('USER') ?: get_current_user());
    }
}
