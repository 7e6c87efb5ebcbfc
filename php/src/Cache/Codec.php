<?php

declare(strict_types=1);

namespace Lyger\Cache;

use DateInterval;
use DateTime;
use DateTimeImmutable;
use DateTimeZone;
use Lyger\Cache\Format\Igbinary;
use Lyger\Cache\Format\Serialized;
use Lyger\Exception\CacheValueUnreadable;
use Lyger\Exception\InvalidArgument;
use stdClass;
use Throwable;

/**
 * PHP's values as bytes, and back with their types.
 *
 *     12 and 1.5 are their decimal text, which increment() and Redis's clients count with;
 *     a string is its own bytes, unless these would be read as something else;
 *     all else is igbinary's bytes where ext-igbinary is loaded, or "\0p" and serialize()'s text.
 *
 * So what a Redis client has put is a string, or a number where it is written as one.
 *
 * Whoever may write into the cache could have it hold objects of any class, whose destructors and __wakeup() run when
 * they are read. So only the classes that are allowed are ever made: by default those of CLASSES, which have none.
 *
 * @internal
 */
final class Codec
{
    public const CLASSES = [
        stdClass::class,
        DateTimeImmutable::class,
        DateTime::class,
        DateTimeZone::class,
        DateInterval::class,
    ];

    private const PHP = "\0p";
    /** igbinary writes version 2, and reads version 1 too. */
    private const IGBINARY = ["\0\0\0\2", "\0\0\0\1"];

    /** So deep are arrays searched for resources; one that holds itself has no end. */
    private const DEPTH_MAX = 64;

    /** What is read as a number. */
    private const NUMBER = '/^-?(?:0|[1-9]\d{0,18})(?:\.\d{1,20})?$/D';

    /** @param list<class-string>|bool $allowedClasses */
    public function __construct(private readonly array|bool $allowedClasses, private readonly bool $igbinary)
    {
    }

    public function withoutIgbinary(): self
    {
        return new self($this->allowedClasses, false);
    }

    public function encode(mixed $value): string
    {
        if (\is_string($value)) {
            $first = $value[0] ?? 'x';
            $isPlain = $first > '9' || $first !== "\0" && \preg_match(self::NUMBER, $value) !== 1;
            return $isPlain ? $value : $this->serialized($value);
        }
        if (\is_int($value)) {
            return (string) $value;
        }
        if (\is_float($value)) {
            $text = self::decimal($value);
            return \preg_match(self::NUMBER, $text) === 1 ? $text : $this->serialized($value);
        }
        return $this->serialized($value);
    }

    public function decode(string $bytes): mixed
    {
        $first = $bytes[0] ?? 'x';
        if ($first > '9') {
            return $bytes;
        }
        if ($first === "\0") {
            return $this->unserialized($bytes);
        }
        if (\preg_match(self::NUMBER, $bytes) !== 1) {
            return $bytes;
        }
        if (\str_contains($bytes, '.')) {
            return (float) $bytes;
        }
        // Not what integers have no place for, nor -0.
        return (string) (int) $bytes === $bytes ? (int) $bytes : $bytes;
    }

    /** A float's shortest text without an exponent, unless it has no digits. */
    private static function decimal(float $value): string
    {
        $text = \var_export($value, true);
        if (\preg_match('/^(-?)(\d)\.(\d+)E([+-]\d+)$/D', $text, $parts) !== 1) {
            return $text;
        }
        [, $sign, $whole, $fraction, $exponent] = $parts;
        $digits = \rtrim($whole . $fraction, '0');
        $point = 1 + (int) $exponent;
        if ($point <= 0) {
            return "{$sign}0." . \str_repeat('0', -$point) . $digits;
        }
        $digits = \str_pad($digits, $point, '0');
        return $sign . \substr($digits, 0, $point) . '.' . (\substr($digits, $point) ?: '0');
    }

    /** PHP would make a number of a resource. @param array<mixed> $values */
    private static function refuseResources(array $values, int $depth = 0): void
    {
        foreach ($values as $value) {
            if (\is_array($value) && $depth < self::DEPTH_MAX) {
                self::refuseResources($value, $depth + 1);
            } elseif (\is_resource($value)) {
                throw InvalidArgument::because('a resource can\'t be kept in the cache', \get_resource_type($value));
            }
        }
    }

    private function serialized(mixed $value): string
    {
        self::refuseResources([$value]);
        try {
            $text = $this->igbinary ? \igbinary_serialize($value) : self::PHP . \serialize($value);
        } catch (Throwable $refusal) {
            // A closure, a connection, what a class's own __serialize() throws.
            $reason = "a value can't be kept in the cache: {$refusal->getMessage()}";
            throw new InvalidArgument($reason, null, null, $refusal);
        }
        if ($this->allowedClasses !== true && (\is_array($value) || \is_object($value))) {
            foreach (self::classes((string) $text) as $class) {
                $this->isAllowed($class) || throw InvalidArgument::because(
                    "a value has an object of $class, and the cache's allowedClasses don't name it",
                    $class,
                );
            }
        }
        return (string) $text;
    }

    private function unserialized(string $bytes): mixed
    {
        $isIgbinary = \in_array(\substr($bytes, 0, 4), self::IGBINARY, true);
        if (!$isIgbinary && !\str_starts_with($bytes, self::PHP)) {
            return $bytes; // a foreign client's
        }
        if ($isIgbinary && !\function_exists('igbinary_unserialize')) {
            throw CacheValueUnreadable::because('igbinary wrote it, and ext-igbinary is not loaded here');
        }
        if ($this->allowedClasses !== true) {
            foreach (self::classes($bytes) as $class) {
                $this->isAllowed($class) || throw CacheValueUnreadable::because(
                    "it has an object of $class, and the cache's allowedClasses don't name it",
                    $class,
                );
            }
        }
        // Both tell of what they can't read by a notice or a warning. Others are of the classes' own code.
        $said = $before = null;
        $before = \set_error_handler(static function (int $level, string $message, ...$where) use (&$said, &$before) {
            if (!\str_starts_with($message, 'unserialize()') && !\str_starts_with($message, 'igbinary')) {
                return $before === null ? false : $before($level, $message, ...$where);
            }
            $said ??= $message;
            return true;
        });
        try {
            $value = $isIgbinary
                ? \igbinary_unserialize($bytes)
                : \unserialize(\substr($bytes, 2), ['allowed_classes' => $this->allowedClasses]);
        } catch (Throwable $failure) {
            throw CacheValueUnreadable::because($failure->getMessage());
        } finally {
            \restore_error_handler();
        }
        return $said === null ? $value : throw CacheValueUnreadable::because($said);
    }

    /** @return list<string> the classes of what was serialized */
    private static function classes(string $bytes): array
    {
        return \str_starts_with($bytes, self::PHP)
            ? Serialized::classes(\substr($bytes, 2))
            : Igbinary::classes($bytes);
    }

    private function isAllowed(string $class): bool
    {
        foreach ((array) $this->allowedClasses as $allowed) {
            if (\is_string($allowed) && \strcasecmp($allowed, \ltrim($class, '\\')) === 0) {
                return true;
            }
        }
        return false;
    }
}
