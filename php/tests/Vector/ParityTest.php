<?php

declare(strict_types=1);

namespace Lyger\Tests\Vector;

use Lyger\Core\Backend;
use Lyger\Database\Options;
use Lyger\Exception\LygerException;
use Lyger\Tests\Support\BothEngines;
use Lyger\Tests\Support\Databases;
use Lyger\Vector\Metric;
use Lyger\Vector\Store;
use PHPUnit\Framework\TestCase;

/** Both engines in one process, on the same vectors: equal ids, equal bits, equal files, equal errors. */
final class ParityTest extends TestCase
{
    use BothEngines;

    /** Around the 32 sums side by side, and what models give. */
    private const DIMENSIONS = [1, 2, 31, 32, 33, 63, 64, 65, 96, 100, 768, 1536];

    /** @var list<string> */
    private array $files = [];

    protected function tearDown(): void
    {
        array_map(unlink(...), array_filter($this->files, is_file(...)));
    }

    /** @return array<string, array{callable(): float}> */
    public function floats(): array
    {
        $bits = static fn (int $low, int $high): float
            => unpack('g', pack('V', mt_rand($low, $high) | (mt_rand(0, 1) << 31)))[1];
        return [
            'between -1 and 1' => [static fn (): float => mt_rand() / mt_getrandmax() * 2 - 1],
            'small integers, of which many sums are equal' => [static fn (): float => (float) mt_rand(-2, 2)],
            'subnormal' => [static fn (): float => $bits(0, 0x7fffff)],
            'whose squares are subnormal' => [static fn (): float => $bits(0x1e000000, 0x20ffffff)],
            'whose sums are infinite' => [static fn (): float => $bits(0x5e000000, 0x7f7fffff)],
            'any' => [static fn (): float => $bits(0, 0x7f7fffff)],
        ];
    }

    /** @dataProvider floats */
    public function test_searches_give_the_same_ids_and_bits(callable $float): void
    {
        mt_srand(20_261_122);
        foreach (self::DIMENSIONS as $dimension) {
            [$native, $php] = [$this->native->vectors($dimension), $this->php->vectors($dimension)];
            $ids = array_map(static fn (): int => mt_rand(-60, 60), range(1, 60));
            $vectors = self::vectors($float, 60, $dimension);
            $gone = array_slice($ids, 5, 10);
            foreach ([$native, $php] as $store) {
                $store->add($ids, $vectors);
                self::assertSame(count(array_unique($gone)), $store->remove($gone));
            }
            self::assertSame($native->count(), $php->count());
            foreach (Metric::cases() as $metric) {
                foreach ([[1, null], [7, null], [1000, null], [5, range(-30, 30)], [5, []]] as [$k, $among]) {
                    $query = self::vectors($float, 1, $dimension);
                    self::assertSame(
                        self::bits($native->search($query, $k, $metric, $among)),
                        self::bits($php->search($query, $k, $metric, $among)),
                        "$metric->value of $dimension",
                    );
                }
            }
        }
    }

    public function test_files_are_the_same_and_each_reads_the_others(): void
    {
        foreach ([1, 33, 768] as $dimension) {
            $written = [];
            foreach ([$this->native, $this->php] as $engine) {
                $store = $engine->vectors($dimension);
                $store->add([5, -7, PHP_INT_MAX, 6], Numbers::packed(4, $dimension));
                $store->remove([5]);
                $store->save($this->files[] = $path = (string) tempnam(sys_get_temp_dir(), 'lyger'));
                $written[] = file_get_contents($path);
            }
            self::assertSame(bin2hex($written[0]), bin2hex($written[1]));
            foreach ([$this->native, $this->php] as $engine) {
                $store = $engine->loadVectors($path);
                self::assertSame([$dimension, 3], [$store->dimension(), $store->count()]);
                self::assertSame(substr(Numbers::packed(2, $dimension), 4 * $dimension), $store->vector(-7));
            }
        }
    }

    public function test_files_that_are_changed_are_refused_alike(): void
    {
        $whole = 'LYGERVEC' . pack('VVP', 1, 2, 3) . pack('P*', -5, 6, 7) . pack('g*', 1, 2, 3, 4, 5, 6);
        $seal = static fn (string $bytes): string => $bytes . strrev(hash('xxh3', $bytes, true));
        $this->files[] = $path = (string) tempnam(sys_get_temp_dir(), 'lyger');
        for ($at = 0; $at < strlen($whole); $at++) {
            foreach (["\0", "\1", "\x7f", "\x80", "\xff", chr(ord($whole[$at]) ^ 1)] as $byte) {
                $changed = substr_replace($whole, $byte, $at, 1);
                $all = [$changed . substr($seal($whole), -8), $seal($changed), $seal(substr($changed, 0, $at + 1))];
                foreach ($all as $bytes) {
                    file_put_contents($path, $bytes);
                    $open = static fn (Backend $engine): array => self::rows($engine->loadVectors($path));
                    self::assertSame(self::told($this->native, $open), self::told($this->php, $open), bin2hex($bytes));
                }
            }
        }
    }

    /** @return array<string, array{callable(Backend): mixed}> */
    public function mistakes(): array
    {
        $nan = pack('g*', 1, NAN);
        $mistakes = [
            'no elements' => [fn (Backend $engine) => $engine->vectors(0)],
            'too many' => [fn (Backend $engine) => $engine->vectors(65_537)],
            'no number' => [fn (Backend $engine) => $engine->vectors(2)->add([8], $nan)],
            'infinity' => [fn (Backend $engine) => $engine->vectors(1)->add([7, 8], pack('g*', 1, INF))],
            'its negative' => [fn (Backend $engine) => $engine->vectors(1)->add([7, 8], pack('g*', -INF, INF))],
            'in a query' => [fn (Backend $engine) => $engine->vectors(2)->search($nan, 1, Metric::L2, null)],
            'no file' => [fn (Backend $engine) => $engine->loadVectors('/nowhere/index')],
            'a folder' => [fn (Backend $engine) => $engine->loadVectors(sys_get_temp_dir())],
            'a name too long' => [fn (Backend $engine) => $engine->vectors(2)->save('/tmp/' . str_repeat('x', 300))],
            'a path too long' => [fn (Backend $engine) => $engine->loadVectors(str_repeat('/x', 2049))],
            'a name in no UTF-8' => [fn (Backend $engine) => $engine->loadVectors("/nowhere/\xff\xe2\x82: x")],
            'the name of a folder' => [fn (Backend $engine) => $engine->vectors(2)->save(__DIR__)],
            'the folder above' => [fn (Backend $engine) => $engine->vectors(2)->save('..')],
            'no folder' => [fn (Backend $engine) => $engine->vectors(2)->save('/nowhere/index')],
            'no path' => [fn (Backend $engine) => $engine->vectors(2)->save('')],
            'a NUL byte' => [fn (Backend $engine) => $engine->loadVectors("a\0b")],
        ];
        $texts = ['', '1', '[', '[1', '[1,', '[1,]', '[,1]', '[1 2]', '[01,1]', '[.5]', '[5.]', '[+1]', '[1e]'];
        array_push($texts, '[NaN]', '[null]', '["1"]', '[[1]]', '[1]]', ' [ 1 , 2 ] x', '{"1":2}', '[]', '[1]');
        array_push($texts, '[1,1e400]', '[1e39,2]', 'true');
        $sql = array_map(static fn (string $text): string => "SELECT 8, '$text'", $texts);
        array_push($sql, 'SELECT 1', 'SELECT 1, 2, 3', "SELECT NULL, '[1,2]'", 'SELECT 8, NULL', 'SELECT 8, 5');
        array_push($sql, "SELECT 1, '[1,2]' UNION ALL SELECT 9, '[1]'", "SELECT 'x', '[1,2]'", "SELECT 1.5e0, '[1,2]'");
        array_push($sql, 'SELECT 8, 5.5', "SELECT 1.5, '[1,2]'");
        $own = [
            'mysql' => ["SELECT 18446744073709551615, '[1,2]'", 'SELECT 8, 18446744073709551615'],
            'postgres' => ["SELECT 8, ARRAY['NaN', 1]::numeric[]", 'SELECT 8, ARRAY[1, NULL]::numeric[]',
                "SELECT 8, '{1,Infinity}'::real[]", "SELECT 8, '{}'::real[]"],
        ];
        foreach (Databases::all() as $name => [$dsn]) {
            foreach ([...$sql, ...($own[$name] ?? [])] as $statement) {
                $mistakes["$name: $statement"] = [
                    fn (Backend $engine) => $engine->vectors(2)->addFrom($dsn, $statement, [], new Options()),
                ];
            }
        }
        return $mistakes;
    }

    /** @dataProvider mistakes */
    public function test_mistakes_are_told_alike(callable $mistake): void
    {
        $told = self::told($this->native, $mistake);
        self::assertIsArray($told, 'it was taken');
        self::assertSame($told, self::told($this->php, $mistake));
    }

    public function test_rows_of_statements_are_the_same(): void
    {
        $texts = [
            '[1,2.5]',
            ' [ -0 , 1e-50 ] ',
            '[0.1,16777217]',
            '[1.000000059604644775390626,340282350000000000000000000000000000000]',
            '[123456789012345678901234567890,-1E+5]',
            '[1.17549435e-38,1e-45]',
        ];
        $selects = [];
        foreach ($texts as $at => $text) {
            $selects[] = "SELECT $at, '$text'";
        }
        foreach (Databases::all() as [$dsn]) {
            [$native, $php] = [$this->native->vectors(2), $this->php->vectors(2)];
            foreach ([$native, $php] as $store) {
                $rows = $store->addFrom($dsn, implode(' UNION ALL ', $selects), [], new Options());
                self::assertSame(count($texts), $rows);
            }
            foreach ($texts as $at => $text) {
                self::assertSame(bin2hex((string) $native->vector($at)), bin2hex((string) $php->vector($at)), $text);
            }
        }
    }

    /**
     * @param callable(Backend): mixed $work
     * @return mixed what is wrong: the exception's class, message and value; else what it gives
     */
    private static function told(Backend $engine, callable $work): mixed
    {
        try {
            return $work($engine);
        } catch (LygerException $exception) {
            return [$exception::class, $exception->getMessage(), $exception->value()];
        }
    }

    /** @return list<array{int, string}> id and vector */
    private static function rows(Store $store): array
    {
        $found = array_keys($store->search(str_repeat("\0", 4 * $store->dimension()), 10, Metric::L2, null));
        return array_map(static fn (int $id): array => [$id, bin2hex((string) $store->vector($id))], $found);
    }

    /** @param callable(): float $float */
    private static function vectors(callable $float, int $count, int $dimension): string
    {
        $packed = '';
        for ($at = 0; $at < $count * $dimension; $at++) {
            $packed .= pack('g', $float());
        }
        return $packed;
    }

    /**
     * @param array<int, float> $scores
     * @return array<string> NaN has one form
     */
    private static function bits(array $scores): array
    {
        $bits = [];
        foreach ($scores as $id => $score) {
            $bits[] = "$id: " . (is_nan($score) ? 'NaN' : bin2hex(pack('E', $score)));
        }
        return $bits;
    }
}
