<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Exception\InvalidArgument;

/** The flags of json_encode() that bodies of rows know; rust/json/escapes.rs has the same. */
final class JsonFlags
{
    /** What bodies have when nobody asks. */
    public const DEFAULT = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS
        | self::ALWAYS;

    /** Those by which text is written: given or not, each makes a difference. */
    private const KNOWN = JSON_HEX_TAG | JSON_HEX_AMP | JSON_HEX_APOS | JSON_HEX_QUOT | JSON_UNESCAPED_SLASHES
        | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS;

    /** What holds of every body, and is no difference when it is asked for. */
    private const ALWAYS = JSON_PRESERVE_ZERO_FRACTION | JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR;

    private const REASONS = [
        'JSON_FORCE_OBJECT' => 'keyedBy() makes an object of rows',
        'JSON_NUMERIC_CHECK' => 'a column has one type; decimals(\'number\') makes numbers of decimals',
        'JSON_PRETTY_PRINT' => 'rows are written for programs',
        'JSON_PARTIAL_OUTPUT_ON_ERROR' => 'every value has a form, and NaN and infinities are null',
        'JSON_INVALID_UTF8_IGNORE' => 'text that is not UTF-8 is replaced, so that nobody takes it for whole',
    ];

    /** @throws InvalidArgument with the names of flags that rows don't know */
    public static function check(int $flags): int
    {
        $reasons = [];
        foreach (self::REASONS as $name => $reason) {
            if (($flags & (int) constant($name)) !== 0) {
                $reasons[] = "$name ($reason)";
            }
            $flags &= ~(int) constant($name);
        }
        $unknown = $flags & ~self::KNOWN & ~self::ALWAYS;
        if ($unknown !== 0) {
            $reasons[] = "$unknown (no flag of json_encode())";
        }
        if ($reasons !== []) {
            throw InvalidArgument::because('rows do not know these flags: ' . implode('; ', $reasons), $reasons[0]);
        }
        return $flags;
    }

    /** Flags by which bodies are the same have one number; null is the default's. */
    public static function differing(int $flags): ?int
    {
        $differing = $flags & self::KNOWN;
        return $differing === (self::DEFAULT & self::KNOWN) ? null : $differing;
    }
}
