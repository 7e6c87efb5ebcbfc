<?php

declare(strict_types=1);

namespace Lyger\Tests\Support;

use RuntimeException;

/**
 * Somebody else at the same database, through PDO and in another process: sees what others have committed and nothing
 * more. (In one process two SQLites would not see each other's locks.)
 */
final class Observer
{
    private const CODE = <<<'PHP'
        require $argv[1];
        $dsn = Lyger\Database\Fallback\Dsn::parse($argv[2]);
        $driver = ['postgres' => 'pgsql', 'mysql' => 'mysql'][$dsn->dialect] ?? null;
        $pdo = $driver === null
            ? new PDO("sqlite:$dsn->database")
            : new PDO("$driver:host=$dsn->host;port=$dsn->port;dbname=$dsn->database", $dsn->user, $dsn->password);
        // Rather an error than a test that waits for ever.
        $pdo->exec([
            'pgsql' => 'SET lock_timeout = 15000',
            'mysql' => 'SET innodb_lock_wait_timeout = 15, lock_wait_timeout = 15',
        ][$driver] ?? 'PRAGMA busy_timeout = 15000');
        while (($line = fgets(STDIN)) !== false) {
            try {
                $statement = $pdo->query(json_decode($line));
                $answer = ['value' => $statement->columnCount() > 0 ? $statement->fetchColumn() : null];
                $statement = null;
            } catch (PDOException $exception) {
                $answer = ['error' => $exception->getMessage()];
            }
            echo json_encode($answer), "\n";
        }
        PHP;

    /** @var resource */
    private mixed $process;
    /** @var array<int, resource> */
    private array $pipes = [];

    public function __construct(string $dsn)
    {
        $command = [PHP_BINARY, '-r', self::CODE, '--', dirname(__DIR__) . '/bootstrap.php', $dsn];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $this->pipes)
            ?: throw new RuntimeException('cannot start an observer');
    }

    /** The first column of the first row. */
    public function value(string $sql): mixed
    {
        $this->send($sql);
        return $this->receive();
    }

    public function run(string $sql): void
    {
        $this->value($sql);
    }

    /** Has the statement run, whose outcome is there for receive(). */
    public function send(string $sql): void
    {
        fwrite($this->pipes[0], json_encode($sql) . "\n");
    }

    public function receive(): mixed
    {
        $answer = json_decode((string) fgets($this->pipes[1]), true);
        return is_array($answer) && array_key_exists('value', $answer)
            ? $answer['value']
            : throw new RuntimeException($answer['error'] ?? 'the observer has ended');
    }

    public function __destruct()
    {
        array_map(fclose(...), $this->pipes);
        proc_close($this->process);
    }
}
