<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Exception\NotANumber;

/**
 * Numbers as decimal text, as rust/cache/ops/number.rs counts with them.
 *
 * @internal
 */
final class Counting
{
    /** Digits that tell every double from every other one. */
    private const DIGITS_MAX = 17;

    public static function integers(string $text, int $by): int
    {
        if ((string) (int) $text !== $text) {
            throw new NotANumber('value is not an integer or out of range');
        }
        $sum = (int) $text + $by;
        return is_int($sum) ? $sum : throw new NotANumber('increment or decrement would overflow');
    }

    /** @return array{float, string} the sum, and its text, which may have more digits */
    public static function floats(string $text, float $by): array
    {
        $isFinite = is_finite($by);
        $sum = $isFinite ? LongDouble::sum($text, self::text($by)) : '';
        $isFinite = $isFinite && is_finite((float) $sum);
        return $isFinite ? [(float) $sum, $sum] : throw new NotANumber('increment would produce NaN or Infinity');
    }

    /** The shortest decimal text that reads as the same double, without an exponent. */
    public static function text(float $number): string
    {
        for ($digits = 0; $digits < self::DIGITS_MAX; $digits++) {
            $text = sprintf("%.{$digits}e", $number);
            if ((float) $text === $number) {
                break;
            }
        }
        [$mantissa, $exponent] = explode('e', $text);
        $sign = str_starts_with($mantissa, '-') ? '-' : '';
        $figures = str_replace(['-', '.'], '', $mantissa);
        $point = (int) $exponent + 1;
        if ($point <= 0) {
            return $sign . '0.' . str_repeat('0', abs($point)) . $figures;
        }
        $figures = str_pad($figures, $point, '0');
        return $sign . rtrim(substr($figures, 0, $point) . '.' . substr($figures, $point), '.');
    }
}
