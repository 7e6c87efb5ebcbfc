<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Database\Db;
use Lyger\Exception\InvalidParams;
use Lyger\Tests\Support\Databases;
use Lyger\Tests\Support\SqlTestCase;
use Lyger\Vector\Index;
use Lyger\Vector\Matches;

/** What a search has found, in PHP and as a table of a statement. */
final class MatchesTest extends SqlTestCase
{
    private const JOIN = 'SELECT m.place, t.n, m.score FROM matches m JOIN %s t ON t.id = m.id ORDER BY m.place';

    public function test_matches_are_scores_by_id(): void
    {
        $matches = new Matches([7 => 1.0, 3 => 0.5]);
        self::assertSame([[7, 3], [1.0, 0.5], 2], [$matches->ids(), $matches->scores(), count($matches)]);
        self::assertSame([7 => 1.0, 3 => 0.5], iterator_to_array($matches));
        self::assertSame('[{"id":7,"score":1.0},{"id":3,"score":0.5}]', self::json($matches));
        self::assertSame('[]', self::json(new Matches([])));
    }

    /** @dataProvider databases */
    public function test_a_statement_may_use_them_as_a_table(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 10, 20, 30);
        $index = Index::of(2);
        $index->add([1, 2, 3], [[0, 1], [1, 0], [1, 1]]);
        $response = $index->search([1, 0])->respond($db, sprintf(self::JOIN, $table));
        self::assertSame(
            '[{"place":1,"n":20,"score":1.0},{"place":2,"n":30,"score":0.7071067690849304},'
            . '{"place":3,"n":10,"score":0.0}]',
            $response->body(),
        );
        self::assertSame('application/json', $response->header('content-type'));
    }

    /** @dataProvider databases */
    public function test_the_answer_has_every_shape(string $dsn): void
    {
        $db = Db::connect($dsn);
        $table = $this->numbers($db, 10, 20, 30);
        $found = new Matches([3 => 2.0, 1 => 1.0, 2 => -0.5]);
        $respond = static fn () => $found->respond(
            $db,
            "SELECT t.n FROM matches m JOIN $table t ON t.id = m.id WHERE t.n <> ? ORDER BY m.place",
            [20],
        );
        self::assertSame('{"data":[{"n":30},{"n":10}],"meta":{"count":2}}', $respond()->envelope()->body());
        self::assertSame("{\"n\":30}\n{\"n\":10}\n", $respond()->ndjson()->body());
        self::assertSame("n\r\n30\r\n10\r\n", $respond()->csv()->body());
        self::assertSame('{"n":30}', $respond()->single()->body());
        self::assertSame('{"30":{"n":30},"10":{"n":10}}', $respond()->keyedBy('n')->body());
        self::assertSame(
            '{"data":[{"n":10}],"meta":{"count":1,"total":2,"page":2,"per_page":1,"pages":2}}',
            $respond()->paged(2, 1)->body(),
        );
    }

    /** @dataProvider databases */
    public function test_without_matches_the_table_is_empty(string $dsn): void
    {
        $db = Db::connect($dsn);
        $none = new Matches([]);
        self::assertSame('[]', $none->respond($db, sprintf(self::JOIN, $this->numbers($db, 1)))->body());
        self::assertSame('[{"n":0}]', $none->respond($db, 'SELECT COUNT(*) AS n FROM matches')->body());
    }

    /** @dataProvider databases */
    public function test_a_statement_keeps_its_own_tables_and_parameters(string $dsn): void
    {
        $db = Db::connect($dsn);
        $found = new Matches([5 => 1.0, 6 => 0.5]);
        $more = 'more AS (SELECT id + ? AS id, place FROM matches)';
        foreach (['WITH ', "-- first\nwith /* x */ ", 'WITH RECURSIVE ', "wItH\n\trecursive/**/ "] as $with) {
            $sql = "$with$more SELECT id FROM more WHERE id < ? ORDER BY place";
            self::assertSame('[{"id":15}]', $found->respond($db, $sql, [10, 16])->body(), $with);
        }
        $counting = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3)
            SELECT i, id FROM n JOIN matches ON place = i';
        self::assertSame('[{"i":1,"id":5},{"i":2,"id":6}]', $found->respond($db, $counting)->body());
        $text = "SELECT ' WITH ?' AS t, id FROM matches ORDER BY place";
        self::assertSame('[{"t":" WITH ?","id":5},{"t":" WITH ?","id":6}]', $found->respond($db, $text)->body());
    }

    /** @dataProvider databases */
    public function test_parameters_may_have_names_lists_and_gaps(string $dsn): void
    {
        $db = Db::connect($dsn);
        $found = new Matches([5 => 1.0, 6 => 0.5, 7 => 0.25]);
        $sql = 'SELECT id FROM matches WHERE place > :place AND id IN (:ids) ORDER BY place';
        self::assertSame('[{"id":6}]', $found->respond($db, $sql, ['place' => 1, 'ids' => [5, 6]])->body());
        $paged = $found->respond($db, $sql, [':place' => 1, ':ids' => [6, 7]])->paged(2, 1);
        self::assertSame(
            '{"data":[{"id":7}],"meta":{"count":1,"total":2,"page":2,"per_page":1,"pages":2}}',
            $paged->body(),
        );
        $sql = 'SELECT id FROM matches WHERE place > ? AND id < ?';
        self::assertSame('[{"id":6}]', $found->respond($db, $sql, [7 => 7, 3 => 1])->body());
        $this->expectException(InvalidParams::class);
        $found->respond($db, $sql, [1])->body();
    }

    public function test_parameters_that_are_numbered_stay_what_they_are(): void
    {
        $found = new Matches([5 => 1.0, 6 => 0.5, 7 => 0.25]);
        $numbered = ['sqlite' => '?', 'postgres' => '$'];
        foreach (array_intersect_key(Databases::all(), $numbered) as $name => [$dsn]) {
            $sign = $numbered[$name];
            $sql = "SELECT id FROM matches WHERE place < {$sign}2 AND id > {$sign}1 ORDER BY place";
            $response = $found->respond(Db::connect($dsn), $sql, [5, 3]);
            self::assertSame('[{"id":6}]', $response->body(), $name);
        }
    }

    /** @dataProvider databases */
    public function test_no_name_of_a_parameter_is_taken(string $dsn): void
    {
        $db = Db::connect($dsn);
        $found = new Matches([5 => 1.0, 6 => 0.5]);
        foreach (['lyger_match_0', 'lyger_match_1', 'lyger_match__0', ':lyger_match_0'] as $key) {
            $sql = 'SELECT id FROM matches WHERE id > :' . ltrim($key, ':') . ' ORDER BY place';
            self::assertSame('[{"id":6}]', $found->respond($db, $sql, [$key => 5])->body(), $key);
        }
        $this->expectException(InvalidParams::class);
        $this->expectExceptionMessage('the statement has :lyger_match_0, and no parameter of that name is given');
        $found->respond($db, 'SELECT id FROM matches WHERE id > :lyger_match_0 AND id < :a', ['a' => 9])->body();
    }

    /** @dataProvider databases */
    public function test_a_wrong_number_of_parameters_is_told_without_those_of_the_matches(string $dsn): void
    {
        $cases = [['id > ? AND place < ?', [1]], ['id > ? AND place < ?', [1, 2, 3]], ["id > ? OR '?' = ?", []]];
        $sign = ['sqlite' => '?', 'postgres' => '$'][Databases::name($dsn)] ?? null;
        if ($sign !== null) {
            array_push($cases, ["id > {$sign}1 AND place < {$sign}2", [1]], ["id > {$sign}2 OR id > {$sign}1", []]);
            $cases[] = ["id > {$sign}2 OR place < {$sign}1", [1, 2, 3]];
        }
        foreach ($cases as [$where, $params]) {
            try {
                $found = new Matches([5 => 1.0, 6 => 0.5]);
                $found->respond(Db::connect($dsn), "SELECT id FROM matches WHERE $where", $params)->body();
                self::fail("$where has its parameters");
            } catch (InvalidParams $exception) {
                $message = 'the statement has 2 placeholders, ' . count($params) . ' given';
                self::assertSame($message, $exception->getMessage(), $where);
            }
        }
    }

    /** @dataProvider databases */
    public function test_a_score_that_json_lacks_is_null(string $dsn): void
    {
        $found = new Matches([1 => INF, 2 => 1.5, 3 => -INF, 4 => NAN]);
        $body = $found->respond(Db::connect($dsn), 'SELECT id, score FROM matches ORDER BY place')->body();
        self::assertSame(
            '[{"id":1,"score":null},{"id":2,"score":1.5},{"id":3,"score":null},{"id":4,"score":null}]',
            $body,
        );
    }

    /** @dataProvider databases */
    public function test_as_many_matches_as_promised_are_a_table(string $dsn): void
    {
        $most = Databases::name($dsn) === 'sqlite' ? 16_383 : 32_767;
        foreach ([1000, $most] as $count) {
            $scores = [];
            for ($id = 1; $id <= $count; $id++) {
                $scores[$id * 1_000_000_007] = 1.0 / $id;
            }
            $sql = 'SELECT COUNT(*) AS n, MAX(id) AS id, MIN(place) AS a, MAX(place) AS b, MAX(score) AS s
                FROM matches';
            $body = (new Matches($scores))->respond(Db::connect($dsn), $sql)->body();
            $id = $count * 1_000_000_007;
            self::assertSame("[{\"n\":$count,\"id\":$id,\"a\":1,\"b\":$count,\"s\":1.0}]", $body);
        }
    }

    public function test_postgres_takes_more_matches_than_parameters(): void
    {
        $db = Db::connect(Databases::server('postgres'));
        $body = (new Matches(array_fill(1, 100_000, 0.5)))->respond($db, 'SELECT COUNT(*) AS n FROM matches')->body();
        self::assertSame('[{"n":100000}]', $body);
    }

    /** @dataProvider databases */
    public function test_ids_and_scores_keep_every_bit(string $dsn): void
    {
        $scores = [PHP_INT_MIN => 1 / 3, PHP_INT_MAX => -1.0e-30, 0 => 3.4028234663852886e38, -1 => -0.1];
        $sql = 'SELECT id, score FROM matches ORDER BY place';
        $rows = json_decode((new Matches($scores))->respond(Db::connect($dsn), $sql)->body(), true);
        self::assertSame($scores, array_map(floatval(...), array_column($rows, 'score', 'id')));
    }

    /** @dataProvider databases */
    public function test_the_text_is_the_same_for_as_many_matches(string $dsn): void
    {
        $db = Db::connect($dsn);
        $text = static fn (array $scores): string => (new Matches($scores))->respond($db, 'SELECT 1')->sql();
        self::assertSame($text([5 => 1.0, 6 => 0.5]), $text([7 => 0.1, 5 => -2.0]));
        $isAnother = $text([5 => 1.0, 6 => 0.5]) !== $text([5 => 1.0]);
        self::assertSame(Databases::name($dsn) !== 'postgres', $isAnother);
    }

    private static function json(Matches $matches): string
    {
        return json_encode($matches, JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR);
    }
}
