<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use PHPUnit\Framework\TestCase;

/** docs/types.md against the tables in Types/, which TypesTest holds against the databases. */
final class DocumentedTypesTest extends TestCase
{
    private const FILES = [
        'PostgreSQL' => ['postgres', 'postgres-arrays'],
        'MariaDB and MySQL' => ['mysql'],
        'SQLite' => ['sqlite'],
    ];

    private static function section(string $title): string
    {
        $page = (string) file_get_contents(__DIR__ . '/../../../docs/types.md');
        $parts = explode("\n## $title\n", $page);
        self::assertCount(2, $parts, $title);
        return explode("\n## ", $parts[1])[0];
    }

    /** @return iterable<string, array{string, string, array<mixed>}> */
    private static function types(): iterable
    {
        foreach (self::FILES as $database => $files) {
            foreach ($files as $file) {
                foreach (require __DIR__ . "/Types/$file.php" as $type => $rows) {
                    yield "$database: $type" => [$database, $type, $rows];
                }
            }
        }
    }

    public function test_every_type_that_is_tested_is_documented(): void
    {
        foreach (self::types() as $name => [$database, $type, $rows]) {
            // Without its length, character set and the like; the names that 'type' has instead are no types.
            $suffixes = '/( UNSIGNED| ZEROFILL| CHARACTER SET| COLLATE| NULL| PRIMARY| day |\().*$/';
            $plain = (string) preg_replace($suffixes, '', $type);
            if (isset($rows['type']) || str_ends_with($type, '[]')) {
                continue;
            }
            $mention = '/`' . preg_quote($plain, '/') . '(\(\d.*?\))?`/i';
            self::assertSame(1, preg_match($mention, self::section($database)), $name);
        }
    }

    public function test_pdo_gives_something_else_where_the_documentation_says_so_and_nowhere_else(): void
    {
        $isTime = static fn (mixed $value, string $between): bool => is_string($value)
            && preg_match("/^\d+-\d\d-\d\d{$between}\d\d:\d\d/", $value) === 1;
        $differences = [
            '`xid`, `cid` and `xid8` of PostgreSQL' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'PostgreSQL' && is_int($own) && $pdo === (string) $own,
            'floats of PostgreSQL' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'PostgreSQL' && is_float($own) && is_string($pdo),
            'arrays of PostgreSQL' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'PostgreSQL' && is_array(json_decode((string) $own)) && str_ends_with($pdo, '}'),
            'dates with a time' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $isTime($own, 'T') && $isTime($pdo, ' '),
            'times of MariaDB and MySQL' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'MariaDB and MySQL' && is_string($own) && rtrim(rtrim($pdo, '0'), '.') === $own,
            '`FLOAT` of MariaDB and MySQL' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'MariaDB and MySQL' && is_float($own) && $pdo === (float) sprintf('%.5e', $own),
            '`YEAR` and `ZEROFILL` of MariaDB and MySQL' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'MariaDB and MySQL' && is_int($own) && is_string($pdo) && (int) $pdo === $own,
            'booleans of SQLite' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'SQLite' && is_bool($own) && $pdo === (int) $own,
            'JSON of SQLite' => static fn (string $database, mixed $own, mixed $pdo): bool
                => $database === 'SQLite' && is_string($own) && json_decode($own) === $pdo,
        ];
        $seen = [];
        foreach (self::types() as $name => [$database, , $rows]) {
            foreach ($rows as $row) {
                if (is_array($row) && array_key_exists('pdo', $row)) {
                    $holds = static fn (callable $difference): bool => $difference($database, $row[1], $row['pdo']);
                    $explained = array_keys(array_filter($differences, $holds));
                    self::assertCount(1, $explained, "$name, $row[0]");
                    $seen += array_flip($explained);
                }
            }
        }
        // That bytes of PostgreSQL are a stream has a test of its own in TypesTest.
        $named = ['bytes of PostgreSQL', ...array_keys($seen)];
        preg_match_all('/^\| (.+?) \|/m', self::section('Where PDO gives something else'), $lines);
        $documented = array_slice($lines[1], 1);
        sort($named);
        sort($documented);
        self::assertSame($documented, $named);
    }
}
