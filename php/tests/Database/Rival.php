<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Tests\Support\Observer;
use RuntimeException;

/**
 * Another process at a MySQL server, which runs statements one after the other and says where it is. At LOCKED it has
 * the locks it wants.
 */
final class Rival
{
    private const CODE = <<<'PHP'
        require $argv[1];
        $rival = new Lyger\Tests\Support\Observer($argv[2]);
        foreach (array_slice($argv, 3) as $sql) {
            if ($sql === 'LOCKED') {
                echo "locked\n";
                fgets(STDIN);
            } else {
                $rival->run($sql);
            }
        }
        PHP;

    /** @var resource */
    private $process;
    /** @var array<int, resource> */
    private array $pipes = [];

    /** @param list<string> $statements */
    public function __construct(private readonly string $dsn, array $statements)
    {
        $command = [PHP_BINARY, '-r', self::CODE, '--', dirname(__DIR__) . '/bootstrap.php', $dsn, ...$statements];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $this->pipes);
        fgets($this->pipes[1]);
    }

    /** Lets it go on, and returns when the server shows that it waits at this statement. */
    public function waitsAt(string $sql): void
    {
        fwrite($this->pipes[0], "on\n");
        $observer = new Observer($this->dsn);
        $waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' "
            . "AND trx_query = '$sql'";
        for ($until = microtime(true) + 20; (int) $observer->value($waiting) === 0;) {
            if (microtime(true) > $until) {
                throw new RuntimeException("nobody waits at $sql");
            }
            usleep(150_000); // MySQL shows what it read in the last 100 ms once more
        }
    }

    public function end(): void
    {
        fclose($this->pipes[0]);
        fclose($this->pipes[1]);
        proc_close($this->process);
    }
}
