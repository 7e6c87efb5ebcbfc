<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use DateTimeImmutable;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Exception\InvalidParams;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Values that mean something to somebody on the way come back as they were, in the engine that runs. */
final class HostileTest extends TestCase
{
    /** What ends, begins or escapes something in SQL, in PHP and PDO, in C, in JSON or on a screen. */
    private const PIECES = [
        "'", "''", '"', '""', '`', '\\', "\\'", '\\\\', '\\0', '\\n', "\0", "\n", "\r", "\r\n", "\t", "\x0b", "\x08",
        "\x1a", "\x1b[2J", "\x7f", '--', '-- ', '#', '/*', '*/', '/*!', '/*M!', ';', '?', '??', '$1', '$$', '$x$',
        ':x', ':p1', '::', ':=', '@x', '@@x', '?1', '%', '%s', '%n', '_', '{', '}', '{$x}', '[', ']', '(', ')', ',',
        '=', "E'", "x'", "N'", 'NULL', 'IN (?)', ' OR 1=1', 'UNION SELECT', '<?php', 'ü', 'ß', '🦀', "\u{202e}",
        "\u{200d}", "\u{feff}", "\u{2028}", "\u{d7ff}\u{e000}", '\\ud800', "\u{ffff}\u{10ffff}",
    ];
    private const CLASSICS = [
        '', ' ', "'; DROP TABLE hostile; --", "1' OR '1'='1", '1" OR "1"="1', "admin'--", "\\'; DROP TABLE hostile; #",
        "' UNION SELECT NULL, NULL--", "x' AND sleep(5) AND '1'='1", '$$; DROP TABLE hostile; $$', '0', '0.0', 'false',
        "\u{bf}'", '{"a":"\\u0000"}', "Robert'); DROP TABLE Students;--", "/**/';/**/DROP/**/TABLE/**/hostile",
    ];

    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_a_thousand_strings_come_back_by_position_by_name_and_in_a_list(string $dsn): void
    {
        $strings = self::strings();
        self::assertCount(1000, array_unique($strings));
        // Three thousand statements, each of which a file would wait for the disk after.
        $db = Db::connect(Databases::name($dsn) === 'sqlite' ? 'sqlite::memory:' : $dsn);
        $table = Databases::table();
        $text = Databases::name($dsn) === 'mysql' ? 'LONGTEXT CHARACTER SET utf8mb4' : 'TEXT';
        $db->execute("CREATE TABLE $table (id INTEGER PRIMARY KEY, p $text, n $text, l $text)");
        $kept = [];
        foreach ($strings as $id => $string) {
            try {
                $inserted = $db->execute("INSERT INTO $table (id, p) VALUES (?, ?)", [$id, $string]);
            } catch (InvalidParams $exception) {
                self::assertTrue(Databases::name($dsn) === 'postgres' && str_contains($string, "\0"));
                self::assertStringStartsWith('parameter 2: the string has a NUL byte', $exception->getMessage());
                continue;
            }
            self::assertSame(1, $inserted->affected);
            $db->execute("UPDATE $table SET n = :value WHERE id = :id", ['id' => $id, ':value' => $string]);
            $db->execute("UPDATE $table SET l = COALESCE(?) WHERE id = ?", [[null, $string], $id]);
            $kept[$id] = $string;
        }
        self::assertGreaterThan(Databases::name($dsn) === 'postgres' ? 850 : 999, count($kept));
        $rows = $db->query("SELECT id, p, n, l FROM $table ORDER BY id");
        self::assertSame(array_keys($kept), array_column($rows, 'id'));
        foreach (['p', 'n', 'l'] as $column) {
            // Not assertSame on all of them: some fill screens.
            foreach (array_column($rows, $column, 'id') as $id => $found) {
                self::assertTrue($found === $kept[$id], "$column: " . json_encode(mb_substr($kept[$id], 0, 99)));
            }
        }
        foreach (array_chunk($kept, 100, true) as $chunk) {
            $sql = "SELECT COUNT(*) AS n FROM $table WHERE p IN (:strings) AND id IN (:ids)";
            $params = ['strings' => $chunk, 'ids' => array_keys($chunk)];
            self::assertSame(count($chunk), $db->query($sql, $params)[0]['n']);
        }
        $db->execute("DROP TABLE $table");
    }

    /** @dataProvider databases */
    public function test_bytes_of_every_value_and_none_come_back(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $bytea = Databases::name($dsn) === 'postgres' ? 'BYTEA' : 'BLOB';
        $db->execute("CREATE TABLE $table (id INTEGER, b $bytea)");
        $all = implode('', array_map(chr(...), range(0, 255)));
        foreach (['', $all, "$all'\\\0$all"] as $id => $bytes) {
            $db->execute("INSERT INTO $table VALUES (:id, :b)", ['id' => $id, 'b' => new Bytes($bytes)]);
            self::assertSame([['b' => $bytes]], $db->query("SELECT b FROM $table WHERE id = ?", [$id]));
            $sql = "SELECT id FROM $table WHERE b IN (?)";
            self::assertSame([['id' => $id]], $db->query($sql, [[new Bytes('none'), new Bytes($bytes)]]));
        }
        $db->execute("DROP TABLE $table");
    }

    /** @dataProvider databases */
    public function test_an_empty_list_holds_nothing(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (id INTEGER, t VARCHAR(9))");
        $db->execute("INSERT INTO $table VALUES (1, 'a'), (2, NULL)");
        foreach (['id', 't', 'id + 1', 'NULL'] as $column) {
            $none = $db->query("SELECT id FROM $table WHERE $column IN (?)", [[]]);
            $all = $db->query("SELECT id FROM $table WHERE $column NOT IN (:ids) ORDER BY id", ['ids' => []]);
            self::assertSame([[], [['id' => 1], ['id' => 2]]], [$none, $all], $column);
        }
        $db->execute("DROP TABLE $table");
    }

    /** @dataProvider databases */
    public function test_as_many_values_as_a_database_takes_are_taken_and_one_more_is_refused(string $dsn): void
    {
        $db = Db::connect($dsn);
        $max = Databases::name($dsn) === 'sqlite' ? 32_766 : 65_535;
        $ways = [
            '?' => static fn (array $list): array => [$list],
            ':l' => static fn (array $list): array => ['l' => $list],
        ];
        foreach ($ways as $mark => $params) {
            $sql = "SELECT CASE WHEN 7 IN ($mark) THEN 'in' ELSE 'out' END AS found";
            self::assertSame([['found' => 'in']], $db->query($sql, $params([...array_fill(0, $max - 1, 5), 7])));
            try {
                $db->query($sql, $params(array_fill(0, $max + 1, 5)));
                self::fail('one more is taken');
            } catch (InvalidParams $exception) {
                self::assertStringContainsString("takes $max at most", $exception->getMessage());
            }
        }
    }

    /** @dataProvider databases */
    public function test_a_time_is_stored_as_its_moment_in_utc(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        [$zoned, $plain] = [
            'sqlite' => ['DATETIME', 'DATETIME'],
            'postgres' => ['TIMESTAMPTZ', 'TIMESTAMP'],
            'mysql' => ['TIMESTAMP(6)', 'DATETIME(6)'],
        ][Databases::name($dsn)];
        $db->execute("CREATE TABLE $table (z $zoned, p $plain)");
        $time = new DateTimeImmutable('2024-01-02 01:04:05.25+02:00');
        $db->execute("INSERT INTO $table VALUES (?, ?)", [$time, $time]);
        [$row] = $db->query("SELECT z, p FROM $table WHERE z = ? AND p IN (?)", [$time, [$time]]);
        $moments = array_map(static fn (string $text): string => rtrim(rtrim($text, 'Z'), '0'), $row);
        self::assertSame(['z' => '2024-01-01T23:04:05.25', 'p' => '2024-01-01T23:04:05.25'], $moments);
        $db->execute("DROP TABLE $table");
    }

    /** @return list<string> 1,000 of them, no two the same, always the same ones */
    private static function strings(): array
    {
        // A megabyte each: nothing but one character, and everything in turn.
        $huge = array_map(
            static fn (string $piece): string => str_repeat($piece, intdiv(1 << 20, strlen($piece))),
            ["'", '\\', '🦀', implode('', array_diff(self::PIECES, ["\0"]))],
        );
        $strings = array_fill_keys(array_map(self::key(...), [...self::CLASSICS, ...$huge, ...self::PIECES]), true);
        mt_srand(4);
        while (count($strings) < 1000) {
            $made = '';
            for ($pieces = mt_rand(1, 7); $pieces > 0; $pieces--) {
                $made .= self::PIECES[mt_rand(0, count(self::PIECES) - 1)];
            }
            $strings[self::key($made)] = true;
        }
        return array_map(static fn (string $key): string => substr($key, 1), array_keys($strings));
    }

    /** PHP makes integers of keys that look so. */
    private static function key(string $text): string
    {
        return "=$text";
    }
}
