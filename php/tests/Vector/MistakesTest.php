<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Error;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidVector;
use Lyger\Vector\Index;
use PHPUnit\Framework\TestCase;

/** What an index refuses, with its words, in each half of the suite by another engine. */
final class MistakesTest extends TestCase
{
    /** @return array<string, array{string, callable(Index): mixed}> */
    public function mistakes(): array
    {
        $only = ': only finite numbers can be compared';
        $nan = pack('g*', 1, NAN);
        $hint = 'the index has vectors of 2';
        return [
            'an array too short' => ["the vector of id 7 has 1 elements, $hint", fn ($i) => $i->add(7, [1])],
            'one of them' => [
                "the vector of id 8 has 3 elements, $hint",
                fn (Index $index) => $index->add([7, 8], [[1, 2], [1, 2, 3]]),
            ],
            'bytes too many' => [
                "the vector of id 7 has 3 elements, $hint",
                fn (Index $index) => $index->add(7, pack('g*', 1, 2, 3)),
            ],
            'broken bytes' => [
                'the vector of id 7 has 7 bytes, and each element has 4',
                fn (Index $index) => $index->add(7, '1234567'),
            ],
            'bytes that are no vectors' => [
                'the vectors have 12 bytes, and each vector of 2 elements has 8',
                fn (Index $index) => $index->add([7, 8], pack('g*', 1, 2, 3)),
            ],
            'too few vectors' => [
                'ids and vectors differ in number: 2 and 1',
                fn (Index $index) => $index->add([7, 8], [[1, 2]]),
            ],
            'too many packed' => [
                'ids and vectors differ in number: 2 and 3',
                fn (Index $index) => $index->add([7, 8], pack('g*', 1, 2, 3, 4, 5, 6)),
            ],
            'text for a number' => [
                'the vector of id 7 has an element of type string',
                fn (Index $index) => $index->add(7, [1, '2']),
            ],
            'text for all numbers' => [
                'the vector of id 7 has an element of type string',
                fn (Index $index) => $index->add(7, ['1', '2']),
            ],
            'more texts than elements' => [
                "the vector of id 7 has 3 elements, $hint",
                fn (Index $index) => $index->add(7, ['1', '2', '3']),
            ],
            'false for a number' => [
                'the vector of id 7 has an element of type bool',
                fn (Index $index) => $index->add(7, [false, 1]),
            ],
            'two packed vectors for one' => [
                'ids and vectors differ in number: 1 and 2',
                fn (Index $index) => $index->add(7, [pack('g*', 1, 2), pack('g*', 3, 4)]),
            ],
            'no vector' => ['ids and vectors differ in number: 1 and 0', fn (Index $index) => $index->add(7, [])],
            'a flat array for two' => [
                'the vector of id 7 is of type int',
                fn (Index $index) => $index->add([7, 8], [1, 2]),
            ],
            'an id of text' => ['an id is an integer, and not of type string', fn ($i) => $i->add(['7'], [[1, 2]])],
            'infinity' => [
                "the vector of id 8 has -inf at element 1$only",
                fn (Index $index) => $index->add(8, [1, -INF]),
            ],
            'more than fits' => [
                "the vector of id 8 has inf at element 0$only",
                fn (Index $index) => $index->add(8, [1e39, NAN]),
            ],
            'no number' => [
                "the vector of id 8 has NaN at element 1$only",
                fn (Index $index) => $index->add([7, 8], pack('g*', 1, 2) . $nan),
            ],
            'a query too short' => ["the query has 1 elements, $hint", fn (Index $index) => $index->search([1])],
            'broken bytes asked' => [
                'the query has 5 bytes, and each element has 4',
                fn (Index $index) => $index->search('12345'),
            ],
            'a query of no number' => ["the query has NaN at element 1$only", fn ($i) => $i->search($nan)],
            'an element of null' => ['the query has an element of type null', fn ($i) => $i->search([1, null])],
            'no match wanted' => ['at least 1 match is wanted, and not 0', fn ($i) => $i->search([1, 2], 0)],
            'nothing similar wanted' => ['at least 1 match is wanted, and not -1', fn ($i) => $i->similarTo(1, -1)],
            'among text' => [
                'an id is an integer, and not of type string',
                fn (Index $index) => $index->search([1, 2], among: ['x']),
            ],
            'an id that is not there' => ['there is no vector of id 99 in the index', fn ($i) => $i->vector(99)],
            'similar to nothing' => ['there is no vector of id 99 in the index', fn ($i) => $i->similarTo(99)],
        ];
    }

    /** @dataProvider mistakes */
    public function test_a_mistake_is_told_and_changes_nothing(string $message, callable $mistake): void
    {
        $index = Numbers::plane();
        try {
            $mistake($index);
            self::fail("expected: $message");
        } catch (InvalidArgument | InvalidVector $exception) {
            self::assertSame($message, $exception->getMessage());
            $isKnown = preg_match('/ of id (\d+)|^at least .* not (-?\d+)$/', $message, $known) === 1;
            self::assertSame($isKnown ? end($known) : null, $exception->value());
        }
        self::assertSame([1, 3, 2, 4], $index->search([2, 0])->ids());
    }

    public function test_a_dimension_is_at_least_1(): void
    {
        foreach ([0, 65_537] as $dimension) {
            try {
                Index::of($dimension);
                self::fail("an index of $dimension floats was made");
            } catch (InvalidArgument $exception) {
                $message = "vectors have 1 to 65536 elements (vector.dimension_max), not $dimension";
                self::assertSame($message, $exception->getMessage());
            }
        }
        self::assertSame(65_536, Index::of(65_536)->dimension());
        $this->expectExceptionMessage("vectors can't have -1 elements");
        Index::of(-1);
    }

    public function test_what_would_serialize_it_is_told_to_save_it(): void
    {
        $ways = [
            "an index can't be serialized: save() writes" => static fn () => serialize(['index' => Numbers::plane()]),
            "an index can't be unserialized: load() reads" => static fn ()
                => unserialize('O:18:"Lyger\Vector\Index":0:{}'),
        ];
        foreach ($ways as $message => $way) {
            try {
                $way();
                self::fail("expected: $message");
            } catch (InvalidArgument $exception) {
                self::assertStringStartsWith($message, $exception->getMessage());
            }
        }
    }

    public function test_no_second_name_of_one_index_can_be_made(): void
    {
        $this->expectException(Error::class);
        $index = Numbers::plane();
        clone $index;
    }
}
