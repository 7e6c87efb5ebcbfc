<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Core\Engine;
use Lyger\Vector\Index;
use Lyger\Vector\Metric;
use PHPUnit\Framework\TestCase;

/** The index, in each half of the suite by another engine. */
final class IndexTest extends TestCase
{
    public function test_the_first_example_of_the_documentation_holds(): void
    {
        $index = Index::of(3);
        $index->add([1, 2], [[1, 0, 0], [0.8, 0.6, 0]]);
        self::assertSame([1], $index->search([1, 0.1, 0], k: 1)->ids());
    }

    public function test_the_best_come_first_by_each_metric(): void
    {
        $index = Numbers::plane();
        self::assertSame([1, 3, 2, 4], $index->search([2, 0])->ids());
        self::assertSame([3, 1, 2, 4], $index->search([2, 0], metric: Metric::Dot)->ids());
        self::assertSame([1, 2, 3, 4], $index->search([2, 0], metric: Metric::L2)->ids());
        self::assertSame([1.0, 0.7071068286895752, 0.0, -1.0], $index->search([2, 0])->scores());
        self::assertSame([6.0, 2.0, 0.0, -4.0], $index->search([2, 0], metric: Metric::Dot)->scores());
        self::assertSame(
            [1.0, 2.2360680103302, 3.1622776985168457, 4.0],
            self::rounded($index->search([2, 0], metric: Metric::L2)->scores()),
        );
    }

    public function test_scores_have_the_same_bits_everywhere(): void
    {
        $bits = '';
        foreach ([1, 31, 32, 33, 100, 768] as $dimension) {
            $index = Index::of($dimension);
            $index->add(range(1, 20), Numbers::packed(20, $dimension));
            foreach (Metric::cases() as $metric) {
                $matches = $index->search(Numbers::packed(1, $dimension, 5), 20, $metric);
                $bits .= json_encode($matches->ids()) . bin2hex(pack('E*', ...$matches->scores()));
            }
        }
        self::assertSame('d7770eea86c0d1eecbfe24d247be7d1bba99defe6b2d5ac7abd401da27667075', hash('sha256', $bits));
    }

    public function test_k_is_how_many_at_most(): void
    {
        self::assertSame([1], Numbers::plane()->search([2, 0], 1)->ids());
        self::assertCount(4, Numbers::plane()->search([2, 0], PHP_INT_MAX));
        self::assertCount(0, Index::of(2)->search([2, 0]));
    }

    public function test_of_equal_scores_the_lower_id_comes_first_whatever_the_order(): void
    {
        $index = Index::of(1);
        $index->add([9, -4, 7, 2, 8], [[1], [1], [1], [1], [1]]);
        $index->remove(9); // another takes its row
        self::assertSame([-4, 2, 7, 8], $index->search([1])->ids());
        self::assertSame([-4, 2], $index->search([1], 2, Metric::L2)->ids());
        self::assertSame([-4, 2], $index->search([1], 2, Metric::Dot)->ids());
    }

    public function test_a_zero_vector_is_like_none(): void
    {
        $index = Index::of(2);
        $index->add([1, 2, 3], [[0, 0], [1, 0], [-1, 0]]);
        self::assertSame([2 => 1.0, 1 => 0.0, 3 => -1.0], iterator_to_array($index->search([1, 0])));
        self::assertSame([1 => 0.0, 2 => 0.0, 3 => 0.0], iterator_to_array($index->search([0, 0])));
    }

    public function test_a_cosine_is_at_most_1_and_never_a_negative_zero(): void
    {
        $index = Index::of(2);
        $index->add(1, [0.1, 0.4]); // by its rounded norm it is 1.0000001 like itself
        self::assertSame([1.0], $index->search([0.1, 0.4])->scores());
        self::assertSame([-1.0], $index->search([-0.1, -0.4])->scores());
        $index = Index::of(3);
        $index->add(1, [-1e-20, 1e15, 0]);
        self::assertSame(INF, fdiv(1, $index->search([1e-20, 0, 1e15])->scores()[0]));
    }

    public function test_scores_may_be_infinite_or_no_number_which_comes_last(): void
    {
        $index = Index::of(2);
        $index->add([1, 2, 3, 4], [[3e38, -3e38], [0.1, 0.1], [3e38, 0], [-3e38, 0]]);
        $matches = $index->search([3e38, 3e38], metric: Metric::Dot);
        self::assertSame([3, 2, 4, 1], $matches->ids());
        $scores = $matches->scores();
        self::assertSame([INF, -INF], [$scores[0], $scores[2]]);
        self::assertNan($scores[3]);
        self::assertSame('{"id":1,"score":null}', json_encode($matches->jsonSerialize()[3]));
        self::assertSame('{"id":3,"score":null}', json_encode($matches->jsonSerialize()[0]));
    }

    public function test_cosines_have_the_limits_that_the_documentation_states(): void
    {
        $index = Index::of(2);
        $index->add([1, 2, 3], [[1e20, 1e20], [3e-23, 1e-23], [1e-21, 3e-22]]);
        $index->add([4, 5], [[2 ** -75, 2 ** -75], [2 ** 63, 0]]);
        $scores = iterator_to_array($index->search([1, 1]));
        self::assertSame([0.0, 0.0], [$scores[1], $scores[4]]);
        self::assertEqualsWithDelta(0.75558, $scores[2], 1e-5);
        self::assertEqualsWithDelta(0.88039, $scores[3], 1e-5);
        self::assertEqualsWithDelta(M_SQRT1_2, $scores[5], 1e-6);
        $index->add(5, [2 ** 64, 0]);
        self::assertSame(0.0, iterator_to_array($index->search([1, 1]))[5]);
        self::assertNan(iterator_to_array($index->search([1e20, 1]))[1]);
        self::assertSame([4 => 0.0, 5 => INF], iterator_to_array($index->search([0, 0], 5, Metric::L2, [4, 5])));
        // As it advises: scaled, or divided by their lengths.
        $scaled = Index::of(2);
        $scaled->add(2, [3e-23 * 2 ** 70, 1e-23 * 2 ** 70]);
        $scaled->add(3, [1e-21 / hypot(1e-21, 3e-22), 3e-22 / hypot(1e-21, 3e-22)]);
        $scores = iterator_to_array($scaled->search([1, 1]));
        self::assertEqualsWithDelta(0.8944272, $scores[2], 1e-6);
        self::assertEqualsWithDelta(0.8804710, $scores[3], 1e-6);
    }

    public function test_a_search_among_ids_finds_no_others(): void
    {
        $index = Numbers::plane();
        self::assertSame([3, 2], $index->search([2, 0], among: [2, 3, 3, 99])->ids());
        self::assertSame([2], $index->search([2, 0], 1, Metric::L2, [4, 2])->ids());
        self::assertSame([], $index->search([2, 0], among: [])->ids());
    }

    public function test_what_is_similar_to_a_vector_is_not_itself(): void
    {
        $index = Numbers::plane();
        self::assertSame([3, 2], $index->similarTo(1, 2)->ids());
        self::assertSame([3, 2, 4], $index->similarTo(1, PHP_INT_MAX)->ids());
        self::assertSame([4], $index->similarTo(1, 5, among: [1, 4])->ids());
        // Its own product is not the highest.
        self::assertSame([3, 2], $index->similarTo(1, 2, Metric::Dot)->ids());
        $index->add(5, [9, 0]);
        self::assertSame([5, 3], $index->similarTo(1, 2, Metric::Dot)->ids());
    }

    public function test_vectors_come_as_arrays_and_packed(): void
    {
        $index = Index::of(2);
        $index->add(1, [1, 2.5]);
        $index->add(2, pack('g*', 3, 4));
        $index->add([3, 4], [[5, 6], pack('g*', 7, 8)]);
        $index->add([5, 6], pack('g*', 9, 10, 11, 12));
        $index->add([7], [[13, 14]]);
        $index->add(['a' => 8], ['x' => ['y' => 15, 'z' => 16]]);
        $index->add([], []);
        $index->add([], '');
        $vectors = array_map($index->vector(...), range(1, 8));
        self::assertSame([[1.0, 2.5], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], array_slice($vectors, 0, 4));
        self::assertSame([[9.0, 10.0], [11.0, 12.0], [13.0, 14.0], [15.0, 16.0]], array_slice($vectors, 4));
        self::assertSame($index->search([1, 2])->scores(), $index->search(pack('g*', 1, 2))->scores());
    }

    public function test_floats_are_rounded_to_32_bits(): void
    {
        $index = Index::of(2);
        $index->add(1, [0.1, 1e-50]);
        self::assertSame([0.10000000149011612, 0.0], $index->vector(1));
    }

    public function test_adding_an_id_again_replaces_its_vector(): void
    {
        $index = Numbers::plane();
        $index->search([1, 0]); // a norm that is kept must go as well
        $index->add(1, [0, 0.5]);
        self::assertSame([[0.0, 0.5], 4], [$index->vector(1), count($index)]);
        self::assertSame(1.0, iterator_to_array($index->search([0, 1]))[1]);
        $index->add([7, 7], [[1, 1], [2, 2]]);
        self::assertSame([[2.0, 2.0], 5], [$index->vector(7), count($index)]);
    }

    public function test_what_is_removed_is_not_found(): void
    {
        $index = Numbers::plane();
        self::assertSame(2, $index->remove(1, 4, 4, 99));
        self::assertSame(0, $index->remove());
        self::assertSame([3, 2], $index->search([2, 0])->ids());
        self::assertSame([false, true, 2], [$index->has(1), $index->has(2), count($index)]);
        self::assertSame([[0.0, 1.0], [3.0, 3.0]], [$index->vector(2), $index->vector(3)]);
    }

    public function test_ids_have_64_bits(): void
    {
        $index = Index::of(1);
        $index->add([PHP_INT_MAX, PHP_INT_MIN], [[1], [1]]);
        self::assertSame([PHP_INT_MIN, PHP_INT_MAX], $index->search([1], among: [PHP_INT_MAX, PHP_INT_MIN])->ids());
    }

    public function test_memory_grows_with_the_vectors(): void
    {
        $index = Index::of(256);
        $before = $index->memory();
        $index->add(range(1, 1000), Numbers::packed(1000, 256));
        self::assertGreaterThanOrEqual(1000 * 256 * 4, $index->memory() - $before);
        self::assertLessThan(1000 * 256 * 4 * 3, $index->memory());
        self::assertSame([256, 1000], [$index->dimension(), count($index)]);
    }

    public function test_thousands_of_matches_are_found_by_one_search(): void
    {
        $index = Index::of(512);
        $index->add(range(1, 6000), Numbers::packed(6000, 512));
        $query = Numbers::packed(1, 512, 3);
        self::assertCount(6000, $index->search($query, 100_000));
        self::assertCount(5999, $index->similarTo(1, 100_000));
        self::assertCount(5900, $index->search($query, 10_000, among: range(-500, 5900)));
        if (!Engine::getInstance()->isNative()) {
            return;
        }
        // Around 5,461, which fit into the buffer that is there anyhow: a second search takes as long as the first.
        [$fewer, $more] = [INF, INF];
        for ($times = 0; $times < 10; $times++) {
            $fewer = min($fewer, self::cpuSeconds(fn () => $index->search($query, 5400)));
            $more = min($more, self::cpuSeconds(fn () => $index->search($query, 5500)));
        }
        self::assertLessThan(1.6 * $fewer, $more);
    }

    public function test_the_engine_gets_its_memory_back(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: in pure PHP the memory is PHP\'s');
        }
        $index = Index::of(1024);
        $resident = static fn (): int => (int) explode(' ', (string) file_get_contents('/proc/self/statm'))[1] * 4096;
        $before = $resident();
        for ($times = 0; $times < 8; $times++) {
            $index = Index::of(1024);
            $index->add(range(1, 2000), str_repeat(pack('g', 1.5), 2000 * 1024)); // 8 MB
        }
        self::assertLessThan(32_000_000, $resident() - $before);
    }

    public function test_a_child_that_is_forked_cannot_use_it_and_leaves_it_alone(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: in pure PHP a child has a copy');
        }
        // In a process of its own: a child of PHPUnit's would end as PHPUnit does.
        $code = 'require $argv[1]; $index = Lyger\Vector\Index::of(1); $index->add(7, [1]);'
            . 'if (pcntl_fork() === 0) { try { $index->search([1]); } catch (Lyger\Exception\WrongProcess) {'
            . 'echo "refused "; } unset($index); exit; } pcntl_wait($status); echo $index->search([1])->ids()[0];';
        $command = [PHP_BINARY, '-r', $code, '--', dirname(__DIR__, 2) . '/autoload.php'];
        $process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
        self::assertSame('refused 7', stream_get_contents($pipes[1]));
        proc_close($process);
    }

    /** Of all threads, which waiting for a processor doesn't lengthen. */
    private static function cpuSeconds(callable $work): float
    {
        $now = static function (): float {
            $usage = getrusage();
            return $usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']
                + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e6;
        };
        $before = $now();
        $work();
        return $now() - $before;
    }

    /**
     * @param list<float> $scores
     * @return list<float>
     */
    private static function rounded(array $scores): array
    {
        return array_map(static fn (float $score): float => unpack('g', pack('g', $score))[1], $scores);
    }
}
