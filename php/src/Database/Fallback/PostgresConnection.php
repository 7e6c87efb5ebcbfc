<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Bytes;
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
    private const QUERY_CANCELED = '57014';

    private readonly PDO $pdo;
    private readonly PostgresTypes $types;

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
            $sqlstate = $exception->errorInfo[0] ?? '08001';
            throw ConnectionFailed::to((string) $dsn, $exception->getMessage(), $sqlstate);
        }
        $this->types = new PostgresTypes($this->pdo);
    }

    public function query(string $sql, array $params): Table
    {
        [$rewritten, $count] = Tokens::forPostgres($sql);
        if ($count !== count($params)) {
            $s = $count === 1 ? '' : 's';
            throw InvalidParams::because("the statement has $count placeholder$s, " . count($params) . ' given');
        }
        $began = microtime(true);
        try {
            $statement = $this->pdo->prepare($rewritten);
            self::bind($statement, $params);
            $statement->execute();
            $table = $this->read($statement);
        } catch (PDOException $exception) {
            throw $this->failure($exception, microtime(true) - $began);
        }
        // The command tag of a SELECT counts the rows it gave, which are not rows that it changed.
        $reads = in_array(Tokens::firstKeyword($sql), ['SELECT', 'VALUES', 'TABLE', 'SHOW', 'EXPLAIN'], true);
        return new Table($table->columns, $table->rows, $reads ? 0 : $statement->rowCount());
    }

    public function isAlive(): bool
    {
        try {
            return $this->pdo->query('SELECT 1') !== false;
        } catch (PDOException) {
            return false;
        }
    }

    private function read(PDOStatement $statement): Table
    {
        $columns = [];
        $types = [];
        for ($index = 0; $index < $statement->columnCount(); $index++) {
            $meta = $statement->getColumnMeta($index) ?: [];
            $name = (string) ($meta['name'] ?? '');
            $types[$index] = $this->types->of((int) ($meta['pgsql:oid'] ?? 0), $name);
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
                // libpq takes C strings: what stands behind a NUL would be lost.
                str_contains((string) $value, "\0") => throw QueryFailed::because(
                    'parameter ' . ($index + 1) . ' has a NUL byte, which PostgreSQL keeps in no text',
                    '22021',
                ),
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

    private function failure(PDOException $exception, float $seconds): LygerException
    {
        $sqlstate = (string) ($exception->errorInfo[0] ?? 'HY000');
        $message = (string) ($exception->errorInfo[2] ?? $exception->getMessage());
        $limitMs = $this->limits->statementTimeoutMs;
        return match (true) {
            $sqlstate === self::QUERY_CANCELED && $limitMs > 0 && $seconds * 1000 >= $limitMs
                => Timeout::after('the statement', $limitMs, $sqlstate),
            preg_match('/^(08|57P0)/', $sqlstate) === 1, str_contains($message, 'server closed the connection')
                => ConnectionFailed::to((string) $this->dsn, $message, $sqlstate === 'HY000' ? '08006' : $sqlstate),
            default => QueryFailed::because(preg_replace('/^ERROR:\s+/', '', $message) ?? $message, $sqlstate),
        };
    }

    private static function conninfo(Dsn $dsn): string
    {
        $host = $dsn->options['host'] ?? $dsn->host;
        $info = [
            'host' => $host !== '' ? $host : (getenv('PGHOST') ?: 'localhost'),
            'port' => $dsn->options['port'] ?? (string) ($dsn->port ?? (getenv('PGPORT') ?: 5432)),
            'dbname' => $dsn->options['dbname'] ?? $dsn->database,
        ];
        $known = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'application_name', 'options'];
        $info += array_intersect_key($dsn->options, array_flip($known));
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
