<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/**
 * Floats as the engine writes them: the fewest digits that read back to the same value, laid out as Rust's `zmij` does:
 * 1.0, 0.1, 123456.75, 1e+16, 1.5e-7.
 */
final class FloatText
{
    /** A double; NaN and infinities are null. */
    public static function double(float $value): string
    {
        // %H with precision -1 is the shortest form, whatever serialize_precision and the locale say.
        return is_finite($value) ? self::layout(sprintf('%.*H', -1, $value), -5, 15) : 'null';
    }

    /** A single, given by its own shortest digits, which a double doesn't have: what a database printed. */
    public static function single(string $digits): string
    {
        return is_numeric($digits) ? self::layout($digits, -6, 12) : 'null';
    }

    /** The digits of any decimal notation, with a decimal exponent from $fixedMin to $fixedMax written without one. */
    private static function layout(string $number, int $fixedMin, int $fixedMax): string
    {
        $sign = $number[0] === '-' ? '-' : '';
        [$mantissa, $exponent] = explode('e', strtolower(ltrim($number, '+-'))) + [1 => '0'];
        [$whole, $fraction] = explode('.', $mantissa) + [1 => ''];
        $digits = ltrim($whole . $fraction, '0');
        if ($digits === '') {
            return $sign . '0.0';
        }
        // The exponent of the first digit that isn't zero.
        $exponent = (int) $exponent + strlen($whole) - 1 - (strlen($whole . $fraction) - strlen($digits));
        $digits = rtrim($digits, '0');
        $count = strlen($digits);
        return $sign . match (true) {
            $exponent < $fixedMin || $exponent > $fixedMax
                => $digits[0] . ($count > 1 ? '.' . substr($digits, 1) : '') . sprintf('e%+d', $exponent),
            $exponent < 0 => '0.' . str_repeat('0', -$exponent - 1) . $digits,
            $count <= $exponent + 1 => str_pad($digits, $exponent + 1, '0') . '.0',
            default => substr($digits, 0, $exponent + 1) . '.' . substr($digits, $exponent + 1),
        };
    }
}
