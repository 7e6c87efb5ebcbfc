<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Tests\Support\Databases;
use PDO;
use PHPUnit\Framework\TestCase;

/**
 * The same 1,000 rows through PDO + json_encode and through Lyger decode to equal values, after the documented table of
 * types:
 *
 * | type | PDO gives | Lyger's JSON has |
 * |---|---|---|
 * | integers, text, decimals, dates, null | | the same |
 * | floats | a string, in PostgreSQL | a number |
 * | booleans | 0 and 1, in SQLite | true and false |
 * | bytes | raw bytes, a stream in PostgreSQL | base64 |
 * | dates with a time | a blank between the two | T, and Z where there is a zone |
 * | JSON | its text | itself |
 */
final class PdoTest extends TestCase
{
    private const ROWS = 1000;

    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_a_thousand_rows_decode_to_what_pdo_gives(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        [$bytea, $json, $datetime, $bigint] = [
            'sqlite' => ['BLOB', 'JSON', 'DATETIME', 'INTEGER'],
            'postgres' => ['BYTEA', 'JSON', 'TIMESTAMP', 'BIGINT'],
            'mysql' => ['BLOB', 'JSON', 'DATETIME', 'BIGINT'],
        ][Databases::name($dsn)];
        $db->execute(
            "CREATE TABLE $table (id INT, big $bigint, f DOUBLE PRECISION, d DECIMAL(20, 4), t TEXT, flag BOOLEAN, "
            . "bytes $bytea, doc $json, made $datetime, absent INT)"
        );
        foreach (array_chunk(self::rows(), 100) as $chunk) {
            $places = implode(', ', array_fill(0, count($chunk), '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'));
            $db->execute("INSERT INTO $table VALUES $places", array_merge(...$chunk));
        }
        $sql = "SELECT * FROM $table ORDER BY id";
        $ours = json_decode($db->json($sql), true, 512, JSON_THROW_ON_ERROR);
        self::assertCount(self::ROWS, $ours);
        $pdo = Databases::pdo($dsn)->query($sql)->fetchAll(PDO::FETCH_ASSOC);
        $theirs = array_map(fn (array $row): array => self::documented($row, Databases::name($dsn)), $pdo);
        $theirs = json_decode(json_encode($theirs, JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION), true);
        foreach ($theirs as $index => $row) {
            self::assertSame($row, $ours[$index]);
        }
        self::assertSame(array_column($theirs, 't'), array_column($db->query($sql), 't'));
        self::assertSame(array_column($theirs, 'f'), array_column($db->query($sql), 'f'));
    }

    /** @return list<list<mixed>> */
    private static function rows(): array
    {
        mt_srand(7);
        $texts = [
            "\"quoted\"",
            "line\nbreak",
            'back\\slash',
            'ünïcödé 🦀',
            '',
            "tab\t",
            '</script>',
            "\u{2028}",
            "it's",
        ];
        $rows = [];
        for ($id = 1; $id <= self::ROWS; $id++) {
            $isNull = $id % 7 === 0;
            $rows[] = [
                $id,
                [PHP_INT_MAX, PHP_INT_MIN, 9007199254740993, -$id][$id % 4],
                [0.1, 1.5e-7, 1e16, -0.25, mt_rand() / 97][$id % 5],
                $isNull ? null : sprintf('%d.%04d', mt_rand(-99999, 99999), mt_rand(1, 9999)),
                $isNull ? null : $texts[$id % count($texts)] . $id,
                $id % 3 === 0,
                new Bytes(chr($id % 256) . "\0\xff"),
                json_encode(['id' => $id, 'list' => [1, null, 'ü']]),
                gmdate('Y-m-d H:i:s', 1_700_000_000 + $id * 12345),
                null,
            ];
        }
        return $rows;
    }

    /**
     * @param array<string, mixed> $row
     * @return array<string, mixed>
     */
    private static function documented(array $row, string $database): array
    {
        $row['f'] = (float) $row['f'];
        $row['flag'] = $database === 'mysql' ? $row['flag'] : (bool) $row['flag'];
        $row['bytes'] = base64_encode(is_resource($row['bytes']) ? stream_get_contents($row['bytes']) : $row['bytes']);
        // MariaDB's JSON is a LONGTEXT.
        $row['doc'] = $database === 'mysql' ? $row['doc'] : json_decode($row['doc'], true);
        $row['made'] = strtr($row['made'], ' ', 'T');
        return $row;
    }
}
