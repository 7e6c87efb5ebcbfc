<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Fallback\Dsn;
use Lyger\Database\Fallback\PostgresFailure;
use PDOException;
use PHPUnit\Framework\TestCase;

/** What libpq's texts are taken for: those of servers that the tests don't have. */
final class PostgresFailureTest extends TestCase
{
    public function texts(): array
    {
        $at = 'connection to server at "db" (10.0.0.1), port 5432 failed: ';
        return [
            [$at . 'FATAL:  sorry, too many clients already', '53300', 'sorry, too many clients already'],
            [$at . 'FATAL:  the database system is starting up', '57P03', 'the database system is starting up'],
            [$at . 'FATAL:  no pg_hba.conf entry for host "h"', '28000', 'no pg_hba.conf entry for host "h"'],
            [$at . 'FATAL:  role "x" does not exist', '28000', 'role "x" does not exist'],
            [$at . 'FATAL:  Datenbank »x« existiert nicht', '08004', 'Datenbank »x« existiert nicht'],
            [$at . 'ВАЖНО:  база данных "x" не существует', '08004', 'база данных "x" не существует'],
            [$at . 'timeout expired', '08001', $at . 'timeout expired'],
            ['invalid sslmode value: "x"', '08001', 'invalid sslmode value: "x"'],
        ];
    }

    /** @dataProvider texts */
    public function test_a_refusal_is_told_from_a_server_that_was_not_reached(
        string $text,
        string $sqlstate,
        string $words,
    ): void {
        $dsn = Dsn::parse('postgres://u:hunter2@db/x');
        $failure = PostgresFailure::connecting($dsn, new PDOException("SQLSTATE[08006] [7] $text"));
        self::assertSame([$sqlstate, "postgres://u:***@db/x: $words"], [$failure->sqlstate(), $failure->getMessage()]);
    }

    public function test_a_refused_value_is_found_in_any_language(): void
    {
        $texts = [
            "ERROR:  invalid input syntax for type integer: \"x\"\nCONTEXT:  unnamed portal parameter \$2 = '...'" => 2,
            "FEHLER:  ungültige Eingabesyntax\nKONTEXT:  unbenanntes Portal, Parameter \$3 = 'x'" => 3,
            "ERROR:  invalid input syntax for type json\nCONTEXT:  JSON data, line 1: {x\nportal parameter \$1" => null,
            "ERROR:  invalid input value for enum mood: \"x\"\nCONTEXT:  unnamed portal parameter \$1 = 'x'" => null,
            "ERROR:  invalid input syntax for type integer: \"x\"\nCONTEXT:  PL/pgSQL function f() line 1" => null,
        ];
        foreach ($texts as $text => $position) {
            $exception = new PDOException();
            $exception->errorInfo = ['22P02', 7, $text];
            self::assertSame($position, PostgresFailure::refusedParameter($exception), $text);
        }
    }
}
