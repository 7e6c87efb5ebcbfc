<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Core\Engine;
use Lyger\Database\Bytes;
use Lyger\Database\Db;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Random values of the kinds that are kept exactly: what is bound is what comes back, in PHP and in JSON. */
final class RoundTripTest extends TestCase
{
    private const ROWS = 400;

    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_integers_floats_decimals_and_bytes_come_back_bit_by_bit(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        [$decimal, $bytes] = [
            'postgres' => ['NUMERIC', 'BYTEA'],
            'mysql' => ['DECIMAL(65, 30)', 'BLOB'],
            'sqlite' => ['TEXT', 'BLOB'],
        ][Databases::name($dsn)];
        $db->execute("CREATE TABLE $table (id INT, i BIGINT, f DOUBLE PRECISION, d $decimal, b $bytes)");
        $seed = random_int(0, PHP_INT_MAX);
        mt_srand($seed);
        $rows = [];
        for ($id = 0; $id < self::ROWS; $id++) {
            $rows[] = ['id' => $id, 'i' => self::integer(), 'f' => self::float(), 'd' => self::decimal()]
                + ['b' => self::bytes()];
        }
        foreach (array_chunk($rows, 50) as $chunk) {
            $places = implode(', ', array_fill(0, count($chunk), '(?, ?, ?, ?, ?)'));
            $params = array_merge(...array_map(
                static fn (array $row): array => [$row['id'], $row['i'], $row['f'], $row['d'], new Bytes($row['b'])],
                $chunk,
            ));
            $db->execute("INSERT INTO $table VALUES $places", $params);
        }
        $sql = "SELECT * FROM $table ORDER BY id";
        self::assertSame(serialize($rows), serialize($db->query($sql)), "seed $seed");
        $json = json_decode($db->json($sql), true, 8, JSON_THROW_ON_ERROR);
        $decoded = array_map(static fn (array $row): array => ['b' => base64_decode($row['b'])] + $row, $json);
        $keyed = array_map(static fn (array $row): array => ['b' => $row['b']] + $row, $rows);
        self::assertSame(serialize($keyed), serialize($decoded), "seed $seed");
    }

    public function test_a_bound_null_of_mysql_has_no_type_of_its_own_but_in_pure_php(): void
    {
        $dsn = Databases::server('mysql');
        $five = Engine::getInstance()->isNative() ? 5 : '5';
        self::assertSame([['v' => $five]], Db::connect($dsn)->query('SELECT COALESCE(?, 5) AS v', [null]));
    }

    private static function integer(): int
    {
        return unpack('q', self::bits())[1] >> mt_rand(0, 63);
    }

    /** Any of the doubles but NaN, infinities and -0.0, which not every database keeps. */
    private static function float(): float
    {
        do {
            $value = mt_rand(0, 1) === 0
                ? unpack('e', self::bits())[1]
                : mt_rand(-99999999, 99999999) / 10 ** mt_rand(1, 9);
        } while (!is_finite($value) || $value === 0.0);
        return $value;
    }

    /** As many digits behind the point as MariaDB has at most: PostgreSQL and a text keep whatever is written. */
    private static function decimal(): string
    {
        $text = (mt_rand(0, 1) === 0 ? '' : '-') . mt_rand(1, 9);
        for ($count = mt_rand(1, 34); $count > 0; $count--) {
            $text .= mt_rand(0, 9);
        }
        return $text . sprintf('.%010d%010d%010d', mt_rand(), mt_rand(), mt_rand());
    }

    private static function bytes(): string
    {
        return substr(self::bits() . self::bits() . "\\'\"\0\n%_?", mt_rand(0, 24));
    }

    private static function bits(): string
    {
        return pack('vvvv', mt_rand(0, 0xffff), mt_rand(0, 0xffff), mt_rand(0, 0xffff), mt_rand(0, 0xffff));
    }
}
