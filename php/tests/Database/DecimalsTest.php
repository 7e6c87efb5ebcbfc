<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Decimals that are asked for as numbers. */
final class DecimalsTest extends TestCase
{
    /** What a statement gives with decimals as strings, and as numbers. */
    private const STATEMENTS = [
        'postgres' => [
            'SELECT 1.50 a, -123456789012345678901234567890.10 b, NULL::numeric c, 0.000 d, avg(2)/3 e, 0.1::float8 f',
            '[{"a":"1.50","b":"-123456789012345678901234567890.10","c":null,"d":"0.000",'
                . '"e":"0.66666666666666666667","f":0.1}]',
            '[{"a":1.50,"b":-123456789012345678901234567890.10,"c":null,"d":0.000,'
                . '"e":0.66666666666666666667,"f":0.1}]',
            ['a' => 1.5, 'b' => -1.2345678901234568e+29, 'c' => null, 'd' => 0.0, 'e' => 2 / 3, 'f' => 0.1],
        ],
        'mysql' => [
            "SELECT 1.50 a, -123456789012345678901234567890.10 b, NULL + 1.5 c, 0.000 d, AVG(7) e, 0.1e0 f",
            '[{"a":"1.50","b":"-123456789012345678901234567890.10","c":null,"d":"0.000","e":"7.0000","f":0.1}]',
            '[{"a":1.50,"b":-123456789012345678901234567890.10,"c":null,"d":0.000,"e":7.0000,"f":0.1}]',
            ['a' => 1.5, 'b' => -1.2345678901234568e+29, 'c' => null, 'd' => 0.0, 'e' => 7.0, 'f' => 0.1],
        ],
        'sqlite' => [
            "SELECT CAST('1.50' AS DECIMAL(5, 2)) a, '1.50' b, 2 c",
            '[{"a":1.5,"b":"1.50","c":2}]',
            '[{"a":1.5,"b":"1.50","c":2}]',
            ['a' => 1.5, 'b' => '1.50', 'c' => 2],
        ],
    ];

    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_decimals_as_numbers_keep_all_digits_in_json_and_are_floats_in_php(string $dsn): void
    {
        $db = Db::connect($dsn);
        [$sql, $strings, $numbers, $row] = self::STATEMENTS[Databases::name($dsn)];
        self::assertSame($numbers, $db->decimals('number')->json($sql));
        self::assertSame(var_export([$row], true), var_export($db->decimals('number')->query($sql), true));
        self::assertSame($strings, $db->json($sql), 'the Db itself is as it was');
        self::assertSame($strings, $db->decimals('number')->decimals('string')->json($sql));
    }

    public function test_what_json_has_no_digits_for_is_null_there_and_a_float_in_php(): void
    {
        $db = Db::connect(Databases::server('postgres'))->decimals('number');
        $sql = "SELECT 'NaN'::numeric a, 'Infinity'::numeric b, '-Infinity'::numeric c, '{1.50,NaN,NULL}'::numeric[] d";
        self::assertSame('[{"a":null,"b":null,"c":null,"d":[1.50,null,null]}]', $db->json($sql));
        $row = ['a' => NAN, 'b' => INF, 'c' => -INF, 'd' => '[1.50,null,null]'];
        self::assertSame(var_export([$row], true), var_export($db->query($sql), true));
    }

    public function test_zeros_that_a_column_is_filled_with_are_no_digits_of_a_number(): void
    {
        $db = Db::connect(Databases::server('mysql'))->decimals('number');
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (id INT, d DECIMAL(8, 2) ZEROFILL)");
        $db->execute("INSERT INTO $table VALUES (1, 42.5), (2, 0.05), (3, 0), (4, 123456.78), (5, NULL)");
        self::assertSame(
            '[{"d":42.50},{"d":0.05},{"d":0.00},{"d":123456.78},{"d":null}]',
            $db->json("SELECT d FROM $table ORDER BY id"),
        );
    }

    public function test_decimals_are_strings_or_numbers_and_nothing_else(): void
    {
        $this->expectException(InvalidArgument::class);
        Db::connect(Databases::sqlite())->decimals('float');
    }
}
