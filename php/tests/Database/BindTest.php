<?php

declare(strict_types=1);

namespace Lyger\Tests\Database;

use Lyger\Database\Fallback\Bind;
use Lyger\Database\Given;
use Lyger\Database\Params;
use Lyger\Exception\InvalidParams;
use PHPUnit\Framework\TestCase;

/** Placeholders and their values, in pure PHP: tests/support/bindings.tsv, to which the engine is held as well. */
final class BindTest extends TestCase
{
    public function test_statements_and_values_come_out_as_the_table_says(): void
    {
        $file = dirname(__DIR__, 3) . '/tests/support/bindings.tsv';
        $lines = 0;
        foreach (file($file, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) ?: [] as $line) {
            if ($line[0] === '#') {
                continue;
            }
            [$dialects, $sql, $given, $expected, $rest] = explode("\t", $line);
            $bytes = ['{CR}' => "\r", '{LF}' => "\n", '{TAB}' => "\t"];
            $sql = strtr($sql, $bytes);
            $expected = $expected === '=' ? $sql : strtr($expected, $bytes);
            foreach ($dialects === 'all' ? ['postgres', 'mysql', 'sqlite'] : explode(',', $dialects) as $dialect) {
                $lines++;
                try {
                    $found = Bind::statement($dialect, $sql, self::given($given));
                    self::assertSame([$expected, json_decode($rest, true)], $found, "$dialect: $sql");
                } catch (InvalidParams $exception) {
                    self::assertSame([$expected, $rest], ['error', $exception->getMessage()], "$dialect: $sql");
                }
            }
        }
        self::assertGreaterThan(100, $lines);
    }

    public function test_the_databases_limits_of_parameters_hold_at_their_boundaries(): void
    {
        foreach (['postgres' => 65_535, 'mysql' => 65_535, 'sqlite' => 32_766] as $dialect => $max) {
            $positional = static fn (array $list): array => [$list];
            $named = static fn (array $list): array => ['a' => $list];
            foreach ([['?', $positional], [':a', $named]] as [$mark, $params]) {
                $sql = "SELECT a IN ($mark)";
                $most = Params::normalize($params(array_fill(0, $max, null)));
                self::assertCount($max, Bind::statement($dialect, $sql, $most)[1]);
                try {
                    Bind::statement($dialect, $sql, Params::normalize($params(array_fill(0, $max + 1, null))));
                    self::fail("$dialect takes one more");
                } catch (InvalidParams $exception) {
                    self::assertStringContainsString("takes $max at most", $exception->getMessage());
                }
            }
        }
    }

    private static function given(string $json): Given
    {
        // As an object first: to PHP an array cannot tell the name "1" from a position.
        $given = json_decode($json);
        $names = is_object($given) ? array_map(strval(...), array_keys(get_object_vars($given))) : null;
        return new Given($names, array_values((array) json_decode($json, true)));
    }
}
