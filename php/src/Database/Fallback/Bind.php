<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Bytes;
use Lyger\Database\Given;
use Lyger\Exception\InvalidParams;

/**
 * A statement with `?` or `:name`, and what is given for them, to the database's own placeholders and values:
 * rust/db/tokens/bind.rs in PHP. Both are held to tests/support/bindings.tsv.
 */
final class Bind
{
    private const PARAMS_MAX = ['postgres' => 65_535, 'mysql' => 65_535, 'sqlite' => 32_766];
    private const NAMES = ['postgres' => 'PostgreSQL', 'mysql' => 'MySQL', 'sqlite' => 'SQLite'];
    private const EMPTY_LIST = 'an empty list stands alone in IN (?)';

    private string $text = '';
    /** How much of the statement is in the text. */
    private int $copied = 0;
    /** @var list<null|bool|int|float|string|Bytes> */
    private array $params = [];

    private function __construct(private readonly string $dialect, private readonly string $sql)
    {
    }

    /** @return array{string, list<null|bool|int|float|string|Bytes>} the statement and its values, in their order */
    public static function statement(string $dialect, string $sql, Given $given): array
    {
        if ($dialect === 'postgres') {
            self::checkText($given);
        }
        $bind = new self($dialect, $sql);
        $given->names === null || $given->values === [] ? $bind->positional($given) : $bind->named($given);
        return [$bind->text . substr($sql, $bind->copied), $bind->params];
    }

    /** PostgreSQL keeps no NUL in text, in no encoding. */
    private static function checkText(Given $given): void
    {
        foreach ($given->values as $index => $value) {
            foreach (is_array($value) ? $value : [$value] as $one) {
                if (is_string($one) && str_contains($one, "\0")) {
                    throw InvalidParams::because(
                        "parameter {$given->label($index)}: the string has a NUL byte, which PostgreSQL keeps in no "
                        . 'text; bind it as bytes'
                    );
                }
            }
        }
    }

    private function positional(Given $given): void
    {
        $values = $given->values;
        $lists = array_filter($values, is_array(...));
        $this->checkCount(count($values) - count($lists) + array_sum(array_map(count(...), $lists)));
        // SQLite counts its own placeholders, of which it has five kinds, and all of them go by position.
        $isNative = $lists === [] && $this->dialect === 'sqlite';
        if ($isNative || ($values === [] && strpbrk($this->sql, '?:$') === false)) {
            $this->params = $values;
            return;
        }
        [$count, $highest] = [0, 0];
        $places = new Places($this->dialect, $this->sql);
        while (($place = $places->next()) !== null) {
            $text = substr($this->sql, $place->start, $place->end - $place->start);
            if ($place->kind === Place::OPERATOR) {
                $this->replace($place->start, $place->end, '?');
            } elseif ($place->kind === Place::QUESTION) {
                if (($values[$count] ?? null) === []) {
                    $this->putEmpty($place, $places, $given->label($count));
                } elseif ($count < count($values)) {
                    $this->put($place, $this->bind($values[$count]), false);
                }
                $count++;
            } elseif ($place->kind === Place::NAME) {
                if (!$place->inBrackets) {
                    throw InvalidParams::because(
                        "the statement has $text, and the parameters have no names: name all of them, or write ? in "
                        . "its place (and a blank behind a colon that is SQL's own)"
                    );
                }
            } elseif ($lists !== []) {
                throw InvalidParams::because(
                    'parameter ' . $given->label(array_key_first($lists))
                    . ": a list stands for ? or :name, and the statement has $text"
                );
            } elseif ($place->kind === Place::NUMBER) {
                $highest = max($highest, (int) substr($text, 1));
            }
        }
        if ($count > 0 && $highest > 0) {
            throw InvalidParams::because("the statement mixes ? with $1; use one kind{$this->operatorHint()}");
        }
        $expected = max($count, $highest);
        // Without parameters `$1` may be another's: PREPARE, or the body of a function.
        if ($expected !== count($values) && !($highest > 0 && $values === [])) {
            throw InvalidParams::count($expected, count($values));
        }
        if ($highest > 0) {
            $this->params = $values;
        }
    }

    private function named(Given $given): void
    {
        // Keys that are digits alone are integers to PHP, which is the same here.
        $indexes = array_flip($given->names ?? []);
        $numbers = [];
        $places = new Places($this->dialect, $this->sql);
        while (($place = $places->next()) !== null) {
            if ($place->kind === Place::OPERATOR) {
                $this->replace($place->start, $place->end, '?');
                continue;
            }
            $text = substr($this->sql, $place->start, $place->end - $place->start);
            if ($place->kind !== Place::NAME) {
                $hint = $place->kind === Place::QUESTION ? $this->operatorHint() : '';
                throw InvalidParams::because(
                    "the statement has $text, and the parameters have names: write :name in its place$hint"
                );
            }
            $index = $indexes[substr($text, 1)] ?? null;
            if ($index === null) {
                if ($place->inBrackets) {
                    continue;
                }
                throw InvalidParams::because("the statement has $text, and no parameter of that name is given");
            }
            $value = $given->values[$index];
            if ($value === []) {
                $numbers[$index] = [];
                $this->putEmpty($place, $places, $text);
                continue;
            }
            $isAgain = isset($numbers[$index]);
            if (!$isAgain || $this->dialect === 'mysql') {
                $numbers[$index] = $this->bind($value);
            }
            $this->put($place, $numbers[$index], $isAgain);
        }
        foreach ($given->names ?? [] as $index => $name) {
            if (!isset($numbers[$index])) {
                throw InvalidParams::because("parameter :$name: the statement has no :$name");
            }
        }
    }

    /**
     * @param null|bool|int|float|string|Bytes|list<null|bool|int|float|string|Bytes> $value
     * @return non-empty-list<int> the numbers of the values, from 1
     */
    private function bind(null|bool|int|float|string|Bytes|array $value): array
    {
        $first = count($this->params) + 1;
        foreach (is_array($value) ? $value : [$value] as $one) {
            $this->params[] = $one;
        }
        $this->checkCount(count($this->params));
        return range($first, count($this->params));
    }

    /** @param non-empty-list<int> $numbers */
    private function put(Place $place, array $numbers, bool $isAgain): void
    {
        // SQLite numbers `?` in their order, as here, and numbers that are written take it a search each.
        if ($this->dialect === 'mysql' || ($this->dialect === 'sqlite' && !$isAgain)) {
            $marks = array_fill(0, count($numbers), '?');
        } else {
            $mark = $this->dialect === 'postgres' ? '$' : '?';
            $marks = array_map(static fn (int $number): string => $mark . $number, $numbers);
        }
        $text = implode(', ', $marks);
        if ($text !== '?' || $place->kind === Place::NAME) {
            // `LIMIT?` must not become the name `LIMIT$1`, nor `?1` another number.
            $before = $place->start === 0 ? '' : $this->sql[$place->start - 1];
            $after = $this->sql[$place->end] ?? '';
            $text = ($before === '$' || Lexer::nameLength($before, 0) === 1 ? ' ' : '') . $text
                . (Lexer::nameLength($after, 0) === 1 ? ' ' : '');
            $this->replace($place->start, $place->end, $text);
        }
    }

    /** Nothing is in an empty list, and everything is outside of it, NULL as well. */
    private function putEmpty(Place $place, Places $places, string $label): void
    {
        $end = $places->closing();
        if ($place->opening === null || $end === null) {
            throw InvalidParams::because("parameter $label: " . self::EMPTY_LIST);
        }
        match ($this->dialect) {
            // With OPERATOR() it binds as IN does: `a = b IN (?)` stays what it is.
            'postgres' => $this->replace(
                $place->opening,
                $end,
                $place->negated ? "OPERATOR(<>) ALL ('{}')" : "OPERATOR(=) ANY ('{}')",
            ),
            'mysql' => $this->replace($place->start, $place->end, 'SELECT NULL FROM DUAL WHERE FALSE'),
            default => $this->replace($place->start, $place->end, ''),
        };
    }

    private function replace(int $start, int $end, string $text): void
    {
        $this->text .= substr($this->sql, $this->copied, $start - $this->copied) . $text;
        $this->copied = $end;
    }

    private function checkCount(int $count): void
    {
        $max = self::PARAMS_MAX[$this->dialect];
        if ($count > $max) {
            $name = self::NAMES[$this->dialect];
            throw InvalidParams::because(
                "the statement has $count parameters, and $name takes $max at most: split it, or send a list as JSON"
            );
        }
    }

    private function operatorHint(): string
    {
        return $this->dialect === 'postgres' ? ' (and write ?? for an operator that has a question mark)' : '';
    }
}
