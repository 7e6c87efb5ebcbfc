<?php

declare(strict_types=1);

namespace Lyger\Tests\Server;

use Lyger\Database\Db;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\Observer;
use Lyger\Tests\Support\SqlServers;
use Lyger\Tests\Support\SqlTestCase;

/** What a handler leaves on a connection ends with its request, however that ends. */
final class TransactionsTest extends SqlTestCase
{
    use SqlServers;

    /** @dataProvider places */
    public function test_a_transaction_that_is_left_open_is_rolled_back(string $shape, string $dsn): void
    {
        $table = $this->numbers(Db::connect($dsn), 1);
        $server = self::server($shape, $dsn);
        $others = new Observer($dsn);
        $answers = [
            'return' => [200, '{"n":101}'], 'exit' => [200, 'gone'], 'throw' => [500, null],
            'respond' => [200, '[{"n":101}]'], 'stream' => [200, '{"n":101}'],
        ];
        foreach ([1, 2] as $_) {
            foreach ($answers as $how => [$status, $body]) {
                $answer = $server->ask('GET', "/leave/$table/$how");
                self::assertSame($status, $answer->status, "$how: $answer->body");
                self::assertSame($body ?? $answer->body, $answer->body, $how);
                // Waits for a lock if there is one: the front may take a moment longer than the answer.
                $others->run("UPDATE $table SET n = n");
                self::assertEquals(1, $others->value("SELECT n FROM $table"), $how);
                self::assertSame('{"open":false}', $server->ask('GET', '/state')->body, $how);
            }
        }
        self::assertSame('[{"n":2}]', $server->ask('GET', "/commit/$table")->body);
        self::assertEquals(2, $others->value("SELECT n FROM $table"));
    }

    /** @dataProvider places */
    public function test_a_temporary_table_is_gone_with_its_request(string $shape, string $dsn): void
    {
        $server = self::server($shape, $dsn);
        $table = Databases::table();
        foreach ([1, 2, 3] as $_) {
            $answer = $server->ask('GET', "/temporary/$table");
            self::assertSame('{"n":7}', $answer->body);
        }
    }

    /** @dataProvider databases */
    public function test_a_script_that_ends_amid_a_transaction_leaves_nothing(string $dsn): void
    {
        $table = $this->numbers(Db::connect($dsn), 1);
        // The engine's connections live on in php-fpm when a script has ended: what is asked last sees what was left.
        $code = 'require $argv[1]; $db = Lyger\Database\Db::connect($argv[2]); '
            . 'register_shutdown_function(function () use ($db) { register_shutdown_function(function () use ($db) { '
            . 'register_shutdown_function(fn () => print json_encode($db->inTransaction())); }); }); '
            . '$db->begin(); $db->execute("UPDATE $argv[3] SET n = 2"); '
            . 'echo json_encode($db->inTransaction()), " "; exit;';
        $command = [PHP_BINARY, '-r', $code, '--', dirname(__DIR__) . '/bootstrap.php', $dsn, $table];
        $process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
        self::assertSame('true false', stream_get_contents($pipes[1]));
        self::assertSame(0, proc_close($process));
        self::assertEquals(1, (new Observer($dsn))->value("SELECT n FROM $table"));
    }

    /** @dataProvider databases */
    public function test_a_forked_child_does_not_end_its_parents_transaction(string $dsn): void
    {
        if (Databases::name($dsn) === 'sqlite') {
            self::markTestSkipped('runs with PostgreSQL and MariaDB: SQLite forbids a connection in two processes');
        }
        $table = $this->numbers(Db::connect($dsn), 1);
        $code = 'require $argv[1]; $db = Lyger\Database\Db::connect($argv[2]); $db->begin(); '
            . '$db->execute("UPDATE $argv[3] SET n = 2"); if (pcntl_fork() === 0) { '
            // What PHP closes as the child ends is the drivers' doing: they must not get there.
            . 'register_shutdown_function(fn () => register_shutdown_function(fn () => register_shutdown_function('
            . 'fn () => posix_kill(getmypid(), SIGKILL)))); exit; } '
            . 'pcntl_wait($status); $db->commit(); echo "committed";';
        $command = [PHP_BINARY, '-r', $code, '--', dirname(__DIR__) . '/bootstrap.php', $dsn, $table];
        $process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
        self::assertSame('committed', stream_get_contents($pipes[1]));
        proc_close($process);
        self::assertEquals(2, (new Observer($dsn))->value("SELECT n FROM $table"));
    }
}
