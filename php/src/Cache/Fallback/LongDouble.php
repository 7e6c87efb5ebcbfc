<?php

declare(strict_types=1);

namespace Lyger\Cache\Fallback;

use Lyger\Exception\NotANumber;

/**
 * The sums of INCRBYFLOAT: x86's long double with its 64 bits of mantissa, as rust/cache/long_double.rs has it. Large
 * integers are lists of digits to the base of ten million, the lowest first.
 *
 * @internal
 */
final class LongDouble
{
    private const BASE = 10_000_000;
    private const BASE_DIGITS = 7;
    private const MANTISSA_BITS = 64;
    /** Digits after the point. */
    private const DECIMALS = 17;
    /** Above 2^this it is infinity; the last bit of the smallest number is worth 2^the other. */
    private const EXPONENT_MAX = 16_384;
    private const EXPONENT_MIN = -16_445;
    private const TEXT_BYTES_MAX = 5_120;
    private const DIGITS_AT_ONCE = 7;
    /** 2^30 times a digit to the base has room in PHP's integers, as have seven hexadecimal digits. */
    private const BITS_AT_ONCE = 30;
    private const DECIMAL = '/^([+-]?)(?=\.?\d)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/Di';
    private const HEXADECIMAL = '/^([+-]?)0x(?=\.?[\da-f])([\da-f]*)\.?([\da-f]*)(?:p([+-]?\d+))?$/Di';
    private const INFINITE = '/^[+-]?inf(?:inity)?$/Di';

    /**
     * The text of the sum of two numbers.
     *
     * @throws NotANumber
     */
    public static function sum(string $one, string $other): string
    {
        $numbers = [self::read($one), self::read($other)];
        $sum = in_array(null, $numbers, true) ? null : self::add(...$numbers);
        return $sum === null ? throw new NotANumber('increment would produce NaN or Infinity') : self::text(...$sum);
    }

    /** @return array{bool, list<int>, int}|null whether it is negative, its mantissa, and by which power of two */
    private static function read(string $text): ?array
    {
        $wrong = static fn (): NotANumber => new NotANumber('value is not a valid float');
        if (strlen($text) >= self::TEXT_BYTES_MAX) {
            throw $wrong();
        }
        if (preg_match(self::INFINITE, $text) === 1) {
            return null;
        }
        $isHex = preg_match(self::HEXADECIMAL, $text, $parts) === 1;
        $isHex || preg_match(self::DECIMAL, $text, $parts) === 1 || throw $wrong();
        [, $sign, $whole, $fraction, $power] = [...$parts, '0'];
        // Beyond this every number is infinite or nothing.
        $power = max(-50_000, min(50_000, (int) $power)) - ($isHex ? 4 : 1) * strlen($fraction);
        $digits = [];
        foreach (str_split($whole . $fraction, self::DIGITS_AT_ONCE) as $some) {
            $by = ($isHex ? 16 : 10) ** strlen($some);
            $digits = self::times($digits, $by, $isHex ? (int) hexdec($some) : (int) $some);
        }
        $number = self::rounded(
            $sign === '-',
            $power < 0 ? $digits : self::scaled($digits, $isHex ? 2 : 10, $power),
            $power < 0 ? self::scaled([1], $isHex ? 2 : 10, -$power) : [1],
        );
        $isLost = $number === null || $digits !== [] && $number[1] === [];
        return $isLost ? throw $wrong() : $number;
    }

    /**
     * @param array{bool, list<int>, int} $one
     * @param array{bool, list<int>, int} $other
     * @return array{bool, list<int>, int}|null
     */
    private static function add(array $one, array $other): ?array
    {
        if ($one[1] === [] || $other[1] === []) {
            return $one[1] === [] ? $other : $one;
        }
        $low = min($one[2], $other[2]);
        $first = self::scaled($one[1], 2, $one[2] - $low);
        $second = self::scaled($other[1], 2, $other[2] - $low);
        [$isNegative, $sum] = match (true) {
            $one[0] === $other[0] => [$one[0], self::plus($first, $second)],
            self::compare($first, $second) >= 0 => [$one[0], self::minus($first, $second)],
            default => [$other[0], self::minus($second, $first)],
        };
        return $low >= 0
            ? self::rounded($isNegative, self::scaled($sum, 2, $low), [1])
            : self::rounded($isNegative, $sum, self::scaled([1], 2, -$low));
    }

    /**
     * A quotient, rounded to the mantissa's bits, to nearest and ties to even; null where it is too large.
     *
     * @param list<int> $up
     * @param list<int> $down
     * @return array{bool, list<int>, int}|null
     */
    private static function rounded(bool $isNegative, array $up, array $down): ?array
    {
        if ($up === []) {
            return [$isNegative, [], 0];
        }
        // So that 2^63 <= up / down < 2^64, unless that were less than the smallest number's last bit.
        $exponent = max(self::bits($up) - self::bits($down) - self::MANTISSA_BITS, self::EXPONENT_MIN);
        $exponent >= 0 ? $down = self::scaled($down, 2, $exponent) : $up = self::scaled($up, 2, -$exponent);
        $limit = self::scaled($down, 2, self::MANTISSA_BITS);
        while (self::compare($up, $limit) >= 0) {
            [$down, $limit] = [self::times($down, 2), self::times($limit, 2)];
            $exponent++;
        }
        [$mantissa, $rest] = self::divided($up, $down);
        $half = self::compare(self::times($rest, 2), $down);
        if ($half > 0 || $half === 0 && ($mantissa[0] ?? 0) % 2 === 1) {
            $mantissa = self::plus($mantissa, [1]);
        }
        $isTooLarge = $mantissa !== [] && self::bits($mantissa) + $exponent > self::EXPONENT_MAX;
        return $isTooLarge ? null : [$isNegative, $mantissa, $exponent];
    }

    /**
     * Without zeros at its end.
     *
     * @param list<int> $mantissa
     */
    private static function text(bool $isNegative, array $mantissa, int $exponent): string
    {
        $number = self::scaled($mantissa, 10, self::DECIMALS);
        if ($exponent >= 0) {
            $number = self::scaled($number, 2, $exponent);
        } else {
            $down = self::scaled([1], 2, -$exponent);
            [$number, $rest] = self::divided($number, $down);
            $half = self::compare(self::times($rest, 2), $down);
            $number = $half > 0 || $half === 0 && ($number[0] ?? 0) % 2 === 1 ? self::plus($number, [1]) : $number;
        }
        $digits = '';
        foreach ($number as $digit) {
            $digits = str_pad((string) $digit, self::BASE_DIGITS, '0', STR_PAD_LEFT) . $digits;
        }
        $digits = str_pad(ltrim($digits, '0'), self::DECIMALS + 1, '0', STR_PAD_LEFT);
        $text = substr($digits, 0, -self::DECIMALS) . '.' . substr($digits, -self::DECIMALS);
        return ($isNegative && $number !== [] ? '-' : '') . rtrim(rtrim($text, '0'), '.');
    }

    /**
     * @param list<int> $number
     * @return list<int>
     */
    private static function times(array $number, int $by, int $plus = 0): array
    {
        foreach ($number as $at => $digit) {
            $product = $digit * $by + $plus;
            $number[$at] = $product % self::BASE;
            $plus = intdiv($product, self::BASE);
        }
        for (; $plus > 0; $plus = intdiv($plus, self::BASE)) {
            $number[] = $plus % self::BASE;
        }
        return $number;
    }

    /**
     * Times a power of 2 or 10.
     *
     * @param list<int> $number
     * @return list<int>
     */
    private static function scaled(array $number, int $base, int $power): array
    {
        $step = $base === 2 ? self::BITS_AT_ONCE : self::BASE_DIGITS;
        for (; $power >= $step; $power -= $step) {
            $number = self::times($number, $base ** $step);
        }
        return self::times($number, $base ** $power);
    }

    /**
     * @param list<int> $one
     * @param list<int> $other
     * @return list<int>
     */
    private static function plus(array $one, array $other): array
    {
        $carry = 0;
        for ($at = 0; $at < max(count($one), count($other)) || $carry > 0; $at++) {
            $sum = ($one[$at] ?? 0) + ($other[$at] ?? 0) + $carry;
            $one[$at] = $sum % self::BASE;
            $carry = intdiv($sum, self::BASE);
        }
        return $one;
    }

    /**
     * @param list<int> $one the larger one
     * @param list<int> $other
     * @return list<int>
     */
    private static function minus(array $one, array $other): array
    {
        $borrowed = 0;
        foreach ($one as $at => $digit) {
            $left = $digit - ($other[$at] ?? 0) - $borrowed;
            $borrowed = (int) ($left < 0);
            $one[$at] = $left + $borrowed * self::BASE;
        }
        while ($one !== [] && end($one) === 0) {
            array_pop($one);
        }
        return $one;
    }

    /**
     * @param list<int> $one
     * @param list<int> $other
     */
    private static function compare(array $one, array $other): int
    {
        return count($one) <=> count($other) ?: array_reverse($one) <=> array_reverse($other);
    }

    /**
     * By binary digits, of which a quotient here has some hundreds at most.
     *
     * @param list<int> $up
     * @param list<int> $down
     * @return array{list<int>, list<int>} quotient and rest
     */
    private static function divided(array $up, array $down): array
    {
        $steps = [];
        for ($step = $down; self::compare($step, $up) <= 0; $step = self::times($step, 2)) {
            $steps[] = $step;
        }
        $quotient = [];
        foreach (array_reverse($steps) as $step) {
            $fits = self::compare($up, $step) >= 0;
            $up = $fits ? self::minus($up, $step) : $up;
            $quotient = self::times($quotient, 2, (int) $fits);
        }
        return [$quotient, $up];
    }

    /** @param list<int> $number */
    private static function bits(array $number): int
    {
        $bits = 0;
        $power = [1];
        foreach ([self::BITS_AT_ONCE, 1] as $step) {
            $by = 1 << $step;
            while (self::compare($next = self::times($power, $by), $number) <= 0) {
                [$power, $bits] = [$next, $bits + $step];
            }
        }
        return $number === [] ? 0 : $bits + 1;
    }
}
