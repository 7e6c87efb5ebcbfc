<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Exception\ConnectionFailed;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\OwnServers;
use PHPUnit\Framework\TestCase;

/** What a restart of the database's server means for a PHP process that goes on. */
final class RestartTest extends TestCase
{
    private static OwnServers $servers;

    public static function setUpBeforeClass(): void
    {
        Databases::server('postgres'); // where one could be started, others can
        self::$servers = new OwnServers();
    }

    public static function tearDownAfterClass(): void
    {
        if (isset(self::$servers)) {
            self::$servers->end();
        }
    }

    public function test_queries_fail_cleanly_while_the_server_is_away_and_work_again_behind_it(): void
    {
        $databases = $this->databases();
        $errors = [];
        self::$servers->stop();
        foreach ($databases as $name => $db) {
            foreach (['on the old connection', 'on a new one'] as $when) {
                try {
                    $errors["$name, $when"] = $db->query('SELECT 1 AS n');
                } catch (ConnectionFailed $exception) {
                    $errors["$name, $when"] = $exception;
                }
            }
        }
        self::$servers->start();
        foreach ($errors as $which => $error) {
            self::assertInstanceOf(ConnectionFailed::class, $error, $which);
            self::assertStringStartsWith('08', (string) $error->sqlstate(), "$which: $error");
            self::assertStringNotContainsString('p%40ss', $error->getMessage(), $which);
        }
        $this->assertAnswers($databases);
    }

    public function test_a_restart_between_two_queries_costs_no_error(): void
    {
        $databases = $this->databases();
        self::$servers->stop();
        self::$servers->start();
        $this->assertAnswers($databases);
    }

    /** @return array<string, Db> each with a connection that has prepared the statement */
    private function databases(): array
    {
        $databases = [
            'postgres' => Db::connect(self::$servers->postgres),
            'mysql' => Db::connect(self::$servers->mysql),
        ];
        $this->assertAnswers($databases);
        return $databases;
    }

    /** @param array<string, Db> $databases */
    private function assertAnswers(array $databases): void
    {
        foreach ($databases as $name => $db) {
            self::assertSame([['n' => 1]], $db->query('SELECT 1 AS n'), $name);
        }
    }
}
