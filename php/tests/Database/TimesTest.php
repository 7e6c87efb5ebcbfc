<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Db;
use Lyger\Exception\InvalidArgument;
use Lyger\Tests\Support\Databases;
use PHPUnit\Framework\TestCase;

/** Dates with a time as RFC 3339 has them, and as the databases do. */
final class TimesTest extends TestCase
{
    private const STATEMENTS = [
        'postgres' => [
            "SELECT '2024-01-02 03:04:05.50'::timestamp a, '2024-01-02 03:04:05'::timestamptz b, NULL::timestamp c,"
                . " '0044-03-15 01:02:03 BC'::timestamp d, 'infinity'::timestamptz e, '2024-01-02'::date f,"
                . " ARRAY['2024-01-02 03:04:05'::timestamptz] g, '2024-01-02T03:04:05'::text h",
            ['2024-01-02T03:04:05.5', '2024-01-02T03:04:05Z', null, '0044-03-15T01:02:03 BC', 'infinity', '2024-01-02',
                '["2024-01-02T03:04:05Z"]', '2024-01-02T03:04:05'],
            ['2024-01-02 03:04:05.5', '2024-01-02 03:04:05+00', null, '0044-03-15 01:02:03 BC', 'infinity',
                '2024-01-02', '["2024-01-02 03:04:05+00"]', '2024-01-02T03:04:05'],
        ],
        'mysql' => [
            "SELECT TIMESTAMP('2024-01-02 03:04:05.50') a, FROM_UNIXTIME(0) b, NULL c, DATE('2024-01-02') d,"
                . " '2024-01-02T03:04:05' e",
            ['2024-01-02T03:04:05.5', '1970-01-01T00:00:00', null, '2024-01-02', '2024-01-02T03:04:05'],
            ['2024-01-02 03:04:05.5', '1970-01-01 00:00:00', null, '2024-01-02', '2024-01-02T03:04:05'],
        ],
        'sqlite' => ["SELECT '2024-01-02 03:04:05' a", ['2024-01-02 03:04:05'], ['2024-01-02 03:04:05']],
    ];

    public function databases(): array
    {
        return Databases::all();
    }

    /** @dataProvider databases */
    public function test_computed_times_have_the_form_that_was_asked_for(string $dsn): void
    {
        $db = Db::connect($dsn);
        [$sql, $rfc3339, $asSql] = self::STATEMENTS[Databases::name($dsn)];
        self::assertSame($rfc3339, array_values($db->row($sql)));
        self::assertSame($asSql, array_values($db->times('sql')->row($sql)));
        self::assertSame($rfc3339, array_values($db->times('sql')->times('rfc3339')->row($sql)));
        self::assertSame($asSql, array_values($db->decimals('number')->times('sql')->timeout(5)->row($sql)));
    }

    /** @dataProvider databases */
    public function test_stored_times_have_the_form_that_was_asked_for_in_every_way_of_reading(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (at TIMESTAMP NULL)");
        $db->execute("INSERT INTO $table VALUES ('2024-01-02 03:04:05')");
        $isMoment = Databases::name($dsn) === 'mysql';
        [$sql, $as] = ["SELECT at FROM $table", $db->times('sql')];
        self::assertSame('2024-01-02T03:04:05' . ($isMoment ? 'Z' : ''), $db->value($sql));
        $wanted = '2024-01-02 03:04:05';
        self::assertSame($wanted, $as->value($sql));
        self::assertSame([['at' => $wanted]], iterator_to_array($as->stream($sql), false));
        self::assertSame([$wanted], $as->result($sql)->column());
        self::assertSame('[{"at":"' . $wanted . '"}]', $as->json($sql));
        self::assertSame('[{"at":"' . $wanted . '"}]', $as->respond($sql)->body());
        self::assertStringContainsString('"times":"sql"', $as->respond($sql)->options());
    }

    public function test_times_have_two_forms_and_no_other(): void
    {
        $this->expectException(InvalidArgument::class);
        Db::connect(Databases::sqlite())->times('iso');
    }
}
