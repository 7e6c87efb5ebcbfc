<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Closure;
use Generator;
use Lyger\Database\Bytes;
use Lyger\Database\Options;
use Lyger\Exception\ConnectionFailed;
use Lyger\Exception\InvalidParams;
use Lyger\Exception\LygerException;
use Lyger\Exception\QueryFailed;
use Lyger\Exception\Timeout;
use mysqli;
use mysqli_driver;
use mysqli_result;
use mysqli_sql_exception;
use mysqli_stmt;

/**
 * MySQL and MariaDB through mysqli, because PDO doesn't tell a TEXT from a BLOB.
 *
 * PHP's driver rounds FLOAT to 6 digits before anybody sees it: here, and only here, results can differ from the
 * native engine's, which has all of its 9.
 */
final class MysqlConnection implements Connection
{
    /** Errors behind which the server hangs up though their SQLSTATE doesn't say so: killed, and idle for too long. */
    private const HANGS_UP = [1927, 4031];
    /** The client's own errors: no connection, or none any more. */
    private const CLIENT = [2000, 2999];
    /** What the servers give for a refused login, which mysqli keeps to itself: errmsg-utf8.txt. */
    private const SQLSTATES = [
        1040 => '08004', 1042 => '08S01', 1043 => '08S01', 1044 => '42000', 1045 => '28000', 1049 => '42000',
        1102 => '42000', 1203 => '42000', 1226 => '42000', 1251 => '08004', 1698 => '28000',
    ];
    private const TIMEOUTS = [1969, 3024];
    /** Below the smallest max_allowed_packet in use, 1 MiB. */
    private const PIECE_BYTES = 524_288;

    /** "This command is not supported in the prepared statement protocol yet". */
    private const NOT_PREPARED = 1295;

    private readonly mysqli $mysqli;
    private bool $isClosed = false;
    private int $timeoutMs;
    private string $timeoutBefore = '0';

    public function __construct(private readonly Dsn $dsn, private readonly Limits $limits)
    {
        if (!extension_loaded('mysqli')) {
            throw ConnectionFailed::to((string) $dsn, 'MySQL without the native engine needs ext-mysqli', '08001');
        }
        $this->mysqli = new mysqli();
        $this->timeoutMs = $limits->statementTimeoutMs;
        $this->strictly(fn () => $this->connect(), $this->unreachable(...));
    }

    public function query(string $sql, array $params, Options $options = new Options()): Table
    {
        return $this->strictly(fn (): Table => $this->run($sql, $params, $options));
    }

    /** Unbuffered; a stream that is left amid its rows takes the connection along, instead of reading the rest. */
    public function stream(string $sql, array $params, Options $options = new Options()): Generator
    {
        $rows = $this->strictly(fn (): MysqlRows => new MysqlRows($this->execute($sql, $params)));
        $read = fn (): Table => $this->read($rows->fields(), $rows->next(...), $options, self::CHUNK_ROWS);
        try {
            do {
                $table = $this->strictly($read);
                if ($table->rows !== []) {
                    yield $table;
                }
            } while (count($table->rows) === self::CHUNK_ROWS);
            $rows->close();
            $rows = null;
        } finally {
            if ($rows !== null) {
                $this->isClosed = true;
                @$this->mysqli->close();
            }
        }
    }

    public function limit(?int $timeoutMs): void
    {
        $isMariaDb = str_contains($this->mysqli->server_info, 'MariaDB');
        $name = '@@SESSION.' . ($isMariaDb ? 'max_statement_time' : 'max_execution_time');
        if ($timeoutMs === null) {
            $this->query("SET $name = $this->timeoutBefore", []);
            $this->timeoutMs = $this->limits->statementTimeoutMs;
            return;
        }
        $this->timeoutBefore = (string) $this->query("SELECT $name", [])->rows[0][0];
        $this->query("SET $name = " . ($isMariaDb ? $timeoutMs / 1000 : $timeoutMs), []);
        $this->timeoutMs = $timeoutMs;
    }

    public function isAlive(): bool
    {
        if ($this->isClosed) {
            return false;
        }
        try {
            return $this->strictly(fn (): bool => $this->mysqli->query('SELECT 1') !== false);
        } catch (LygerException) {
            return false;
        }
    }

    private function connect(): void
    {
        $dsn = $this->dsn;
        $this->mysqli->options(MYSQLI_OPT_CONNECT_TIMEOUT, (int) ceil($this->limits->acquireTimeoutMs / 1000));
        // Beside its exception it warns, which an application's error handler would make another exception of.
        @$this->mysqli->real_connect(
            // "localhost" means the socket to mysqli, and nothing else does.
            isset($dsn->options['socket']) ? 'localhost' : ($dsn->host === 'localhost' ? '127.0.0.1' : $dsn->host),
            $dsn->user ?? 'root',
            $dsn->password,
            $dsn->database === '' ? null : $dsn->database,
            $dsn->port ?? 3306,
            $dsn->options['socket'] ?? null,
            MYSQLI_CLIENT_FOUND_ROWS | $this->encryption(),
        );
        $seconds = $this->limits->statementTimeoutMs / 1000;
        $this->mysqli->query(
            "SET sql_mode = @@GLOBAL.sql_mode, time_zone = '+00:00' /*M! , max_statement_time = $seconds */ "
            . "/*!80000 , max_execution_time = {$this->limits->statementTimeoutMs} */"
        );
        $this->mysqli->set_charset('utf8mb4');
    }

    /** What a DSN demands must not be less: `preferred`, which leaves it to the server, is no encryption here. */
    private function encryption(): int
    {
        if (!$this->demandsEncryption()) {
            return 0;
        }
        $options = $this->dsn->options;
        [$key, $certificate] = [$options['ssl-key'] ?? null, $options['ssl-cert'] ?? null];
        $this->mysqli->ssl_set($key, $certificate, $options['ssl-ca'] ?? null, null, null);
        // Without the second flag mysqlnd takes any certificate, where no ssl-ca is named.
        return MYSQLI_CLIENT_SSL | ($options['sslmode'] === 'required'
            ? MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT
            : MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT);
    }

    private function demandsEncryption(): bool
    {
        return !in_array($this->dsn->options['sslmode'] ?? 'preferred', ['preferred', 'disabled'], true);
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    private function run(string $sql, array $params, Options $options): Table
    {
        try {
            $statement = $this->execute($sql, $params);
        } catch (mysqli_sql_exception $exception) {
            if ($exception->getCode() !== self::NOT_PREPARED || $params !== []) {
                throw $exception;
            }
            $result = $this->mysqli->query($sql);
            return $result instanceof mysqli_result ? $this->rows($result, $options) : new Table([], []);
        }
        $result = $statement->get_result();
        if ($result instanceof mysqli_result) {
            $table = $this->rows($result, $options);
            $statement->close();
            while ($this->mysqli->more_results() && $this->mysqli->next_result()) {
                $this->mysqli->store_result();
            }
            return $table;
        }
        // mysqli has large ones as digits.
        $id = $statement->insert_id;
        $id = (string) (int) $id === (string) $id ? (int) $id : $id;
        $table = new Table([], [], max(0, (int) $statement->affected_rows), $id === 0 ? null : $id);
        $statement->close();
        return $table;
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    private function execute(string $sql, array $params): mysqli_stmt
    {
        $statement = $this->mysqli->prepare($sql);
        if ($statement->param_count !== count($params)) {
            throw InvalidParams::count($statement->param_count, count($params));
        }
        try {
            self::bind($statement, $params);
            $statement->execute();
        } catch (mysqli_sql_exception $exception) {
            @$statement->close(); // its goodbye warns where the connection broke
            throw $exception;
        }
        return $statement;
    }

    private function rows(mysqli_result $result, Options $options): Table
    {
        $table = $this->read($result->fetch_fields(), $result->fetch_row(...), $options);
        $result->free();
        return $table;
    }

    /**
     * @param list<object> $fields
     * @param Closure(): (list<mixed>|null|false) $next
     */
    private function read(array $fields, Closure $next, Options $options, int $rowsMax = PHP_INT_MAX): Table
    {
        $columns = [];
        $types = [];
        foreach ($fields as $field) {
            $types[] = $type = MysqlType::of($field, $options);
            $columns[] = new Column($field->name, $type->kind());
        }
        $rows = [];
        $budget = new Budget($this->limits->resultBytesMax);
        while (count($rows) < $rowsMax && is_array($cells = $next())) {
            foreach ($cells as $index => $value) {
                $cells[$index] = $value === null ? null : $types[$index]->value($value);
            }
            $budget->take($cells);
            $rows[] = $cells;
        }
        return new Table($columns, $rows);
    }

    /** @param list<null|bool|int|float|string|Bytes> $params */
    private static function bind(mysqli_stmt $statement, array $params): void
    {
        if ($params === []) {
            return;
        }
        $types = '';
        $values = [];
        foreach ($params as $index => $value) {
            if (is_float($value) && !is_finite($value)) {
                throw InvalidParams::because('parameter ' . ($index + 1) . ": MySQL has no $value");
            }
            $types .= match (true) {
                is_bool($value), is_int($value) => 'i',
                is_float($value) => 'd',
                $value instanceof Bytes => 'b',
                default => 's',
            };
            $values[] = match (true) {
                is_bool($value) => (int) $value,
                $value instanceof Bytes => null,
                default => $value,
            };
        }
        $statement->bind_param($types, ...$values);
        foreach ($params as $index => $value) {
            if ($value instanceof Bytes) {
                // No bytes are sent as well, or else they would be NULL.
                foreach (str_split($value->bytes, self::PIECE_BYTES) ?: [''] as $piece) {
                    $statement->send_long_data($index, $piece);
                }
            }
        }
    }

    /**
     * With mysqli's errors as exceptions, whatever the rest of the process has chosen.
     *
     * @template T
     * @param callable(): T $work
     * @param null|callable(mysqli_sql_exception): LygerException $failure
     * @return T
     */
    private function strictly(callable $work, ?callable $failure = null): mixed
    {
        $driver = new mysqli_driver();
        $before = $driver->report_mode;
        mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        try {
            return $work();
        } catch (mysqli_sql_exception $exception) {
            throw $failure === null ? $this->failure($exception) : $failure($exception);
        } finally {
            mysqli_report($before);
        }
    }

    private function unreachable(mysqli_sql_exception $exception): LygerException
    {
        $code = $exception->getCode();
        $told = $exception->getSqlState();
        $sqlstate = match (true) {
            self::isClients($code) => '08001',
            $told === 'HY000' => self::SQLSTATES[$code] ?? $told,
            default => $told,
        };
        // A server without TLS has "gone away" to mysqlnd.
        $isUnencrypted = self::isClients($code) && $this->demandsEncryption();
        $reason = $exception->getMessage() . ($isUnencrypted ? ' (with the encryption that sslmode demands)' : '');
        return ConnectionFailed::to((string) $this->dsn, $reason, $sqlstate);
    }

    private function failure(mysqli_sql_exception $exception): LygerException
    {
        $code = $exception->getCode();
        $sqlstate = self::isClients($code) ? '08006' : $exception->getSqlState();
        return match (true) {
            in_array($code, self::TIMEOUTS, true)
                => Timeout::after('the statement', $this->timeoutMs, '57014'),
            in_array($code, self::HANGS_UP, true), str_starts_with($sqlstate, '08')
                => ConnectionFailed::to((string) $this->dsn, $exception->getMessage(), $sqlstate),
            default => QueryFailed::because($exception->getMessage(), $sqlstate),
        };
    }

    private static function isClients(int $code): bool
    {
        return $code >= self::CLIENT[0] && $code <= self::CLIENT[1];
    }
}
