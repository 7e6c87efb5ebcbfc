<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Database\Db;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlServers;
use Lyger\Tests\Support\SqlTestCase;

/** Vectors in handlers: under the native server others run their statements. */
final class ServerTest extends SqlTestCase
{
    use SqlServers;

    /** @dataProvider places */
    public function test_rows_of_matches_are_answered_in_every_shape(string $shape, string $dsn): void
    {
        $table = $this->numbers(Db::connect($dsn), 10, 20, 30);
        $rows = ['{"n":20,"score":1.0}', '{"n":30,"score":0.7071067690849304}', '{"n":10,"score":0.0}'];
        $bodies = [
            'list' => '[' . implode(',', $rows) . ']',
            'ndjson' => implode("\n", $rows) . "\n",
            'envelope' => '{"data":[' . implode(',', $rows) . '],"meta":{"count":3}}',
            'single' => $rows[0],
            'csv' => "n,score\r\n20,1.0\r\n30,0.7071067690849304\r\n10,0.0\r\n",
            'keyed' => "{\"20\":$rows[0],\"30\":$rows[1],\"10\":$rows[2]}",
            'paged' => "{\"data\":[$rows[2]],\"meta\":{\"count\":1,\"total\":3,\"page\":2,\"per_page\":2,\"pages\":2}}",
        ];
        foreach ($bodies as $form => $body) {
            self::assertSame($body, self::server($shape, $dsn)->ask('GET', "/similar/$table/$form")->body, $form);
        }
    }

    /** @dataProvider places */
    public function test_a_request_reads_vectors_within_its_own_transaction(string $shape, string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = Databases::table();
        $db->execute("CREATE TABLE $table (id INT PRIMARY KEY, v TEXT)");
        $db->execute("INSERT INTO $table VALUES (1, '[1]')");
        for ($times = 0; $times < 3; $times++) {
            $answer = self::server($shape, $dsn)->ask('GET', "/vectors/$table");
            self::assertEquals(['own' => 2, 'vector' => [5.0], 'left' => 1], $answer->json(), $answer->body);
        }
    }

    /** @dataProvider places */
    public function test_a_request_reads_vectors_of_its_own_temporary_table(string $shape, string $dsn): void
    {
        for ($times = 0; $times < 3; $times++) {
            $answer = self::server($shape, $dsn)->ask('GET', '/temporary-vectors');
            self::assertEquals(['rows' => 1, 'vector' => [5.0]], $answer->json(), $answer->body);
        }
    }
}
