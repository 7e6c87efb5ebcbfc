<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Config;
use Lyger\Core\Engine;
use Lyger\Database\Db;
use Lyger\Exception\IndexTooLarge;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidConfig;
use Lyger\Exception\InvalidHandle;
use Lyger\Vector\Index;
use PHPUnit\Framework\TestCase;

/** How large an index may get. */
final class LimitsTest extends TestCase
{
    private const BYTES_MAX = 100_000;

    protected function setUp(): void
    {
        $engine = Engine::getInstance();
        $engine->release();
        $engine->configure(Config::resolve(['vector.dimension_max' => 64, 'vector.bytes_max' => self::BYTES_MAX]));
    }

    protected function tearDown(): void
    {
        Engine::getInstance()->release();
        Engine::getInstance()->configure(Config::resolve());
    }

    public function test_vectors_have_no_more_elements_than_configured(): void
    {
        self::assertSame(64, Index::of(64)->dimension());
        $this->expectException(InvalidArgument::class);
        $this->expectExceptionMessage('vectors have 1 to 64 elements (vector.dimension_max), not 65');
        Index::of(65);
    }

    public function test_an_index_takes_no_more_memory_than_configured(): void
    {
        $index = Index::of(64);
        $index->add(range(1, 200), Numbers::packed(200, 64));
        $ways = [
            static fn () => $index->add(range(201, 1000), Numbers::packed(800, 64)),
            static fn () => $index->addFrom(Db::connect('sqlite::memory:'), self::numbers(1000)),
        ];
        foreach ($ways as $way) {
            try {
                $way();
                self::fail('the index has no limit');
            } catch (IndexTooLarge $exception) {
                $limit = self::BYTES_MAX;
                self::assertMatchesRegularExpression(
                    "/^the index would take \d+ bytes, and may take $limit \(vector.bytes_max\)$/D",
                    $exception->getMessage(),
                );
            }
        }
        self::assertCount(200, $index);
        $index->add(range(1, 200), Numbers::packed(200, 64, 2)); // replaced, no more
        self::assertLessThanOrEqual(self::BYTES_MAX, $index->memory());
    }

    public function test_a_file_of_a_larger_index_is_not_loaded(): void
    {
        $path = (string) tempnam(sys_get_temp_dir(), 'lyger');
        try {
            Index::of(64)->save($path);
            self::assertCount(0, Index::load($path));
            $bytes = 'LYGERVEC' . pack('VVP', 1, 64, 1000) . pack('P*', ...range(1, 1000)) . Numbers::packed(1000, 64);
            file_put_contents($path, $bytes . strrev(hash('xxh3', $bytes, true)));
            $this->expectException(IndexTooLarge::class);
            Index::load($path);
        } finally {
            unlink($path);
        }
    }

    public function test_limits_cannot_change_under_an_index(): void
    {
        Index::of(1);
        $this->expectException(InvalidConfig::class);
        $this->expectExceptionMessage('vector.dimension_max is 64 and in use');
        Engine::getInstance()->configure(Config::resolve());
    }

    public function test_an_index_from_before_a_release_is_gone_with_the_engines_memory(): void
    {
        if (!Engine::getInstance()->isNative()) {
            self::markTestSkipped('runs in the half with the library: in pure PHP the memory is PHP\'s');
        }
        $index = Index::of(1);
        Engine::getInstance()->release();
        $other = Index::of(1);
        $other->add(7, [1]);
        unset($index); // takes nothing of the others with it
        self::assertTrue($other->has(7));
        Engine::getInstance()->release();
        $this->expectException(InvalidHandle::class);
        $other->has(7);
    }

    /** A statement of so many vectors. */
    private static function numbers(int $count): string
    {
        $vector = json_encode(array_fill(0, 64, 1));
        return "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $count)
            SELECT i, '$vector' FROM n";
    }
}
