<?php

declare(strict_types=1);

namespace Lyger\Config;

use Lyger\Exception\InvalidConfig;

/**
 * Reads the part of TOML 1.0 that settings need: keys, dotted keys, [sections], comments; strings of one line, decimal
 * integers, true and false, lists of strings.
 *
 * What it accepts is TOML and means the same to every reader of TOML; what it doesn't accept it names, with line and
 * column (in characters, from 1).
 */
final class Toml
{
    private const ESCAPES = ['\\b' => "\x08", '\\t' => "\t", '\\n' => "\n", '\\f' => "\f", '\\r' => "\r"];
    private const TEXT = '[^\x00-\x08\x0A-\x1F\x7F]';
    private const VALUES = 'strings in quotes, decimal integers, true, false and lists of strings';
    private const SHOWN_BYTES_MAX = 40;

    private int $at = 0;
    private int $line = 1;
    private int $lineStart = 0;
    /** The current section with its dot, or nothing. */
    private string $prefix = '';
    /** @var list<TomlEntry> */
    private array $entries = [];
    /** @var array<string, string> place by key that has a value */
    private array $values = [];
    /** @var array<string, string> place by section with a header */
    private array $headers = [];
    /** @var array<string, string> place by section that dotted keys have made: it is closed with the section around it */
    private array $dotted = [];
    /** @var array<string, string> place by section around others */
    private array $outer = [];

    /** @param string $name what the text is called in errors */
    public function __construct(private readonly string $name, private readonly string $text)
    {
    }

    /** @return list<TomlEntry> in their order */
    public function entries(): array
    {
        $this->checkEncoding();
        $this->take("\u{FEFF}");
        $this->lineStart = $this->at;
        while ($this->at < strlen($this->text)) {
            $this->take('[ \t]*');
            if ($this->take('\[') !== null) {
                $this->header();
            } elseif (!$this->isAt('[#\r\n]|$')) {
                $this->keyValue();
            }
            $this->endLine();
        }
        return $this->entries;
    }

    private function header(): void
    {
        if ($this->isAt('\[')) {
            $this->fail('lists of sections are not read here');
        }
        $this->take('[ \t]*');
        $place = $this->place();
        $words = $this->key();
        $this->take('[ \t]*');
        $this->take('\]') ?? $this->fail('a section ends with ]');
        $section = implode('.', $words);
        $before = $this->values[$section] ?? $this->headers[$section] ?? $this->dotted[$section] ?? null;
        if ($before !== null) {
            $this->fail("$section is there already, at $before", $place);
        }
        for (array_pop($words); $words !== []; array_pop($words)) {
            $around = implode('.', $words);
            if (isset($this->values[$around])) {
                $this->fail("$around is a value, at {$this->values[$around]}", $place);
            }
            $this->outer[$around] ??= $place;
        }
        $this->headers[$section] = $place;
        $this->prefix = "$section.";
        $this->entries[] = new TomlEntry($section, null, $place, $place, true);
    }

    private function keyValue(): void
    {
        $place = $this->place();
        $words = $this->key();
        $this->take('[ \t]*');
        $this->take('=[ \t]*') ?? $this->fail('a key is followed by = and its value');
        $key = $this->prefix . implode('.', $words);
        $before = $this->values[$key] ?? $this->headers[$key] ?? $this->dotted[$key] ?? $this->outer[$key] ?? null;
        if ($before !== null) {
            $this->fail("$key is there already, at $before", $place);
        }
        for (array_pop($words); $words !== []; array_pop($words)) {
            $around = $this->prefix . implode('.', $words);
            $before = $this->values[$around] ?? $this->headers[$around] ?? null;
            if ($before !== null) {
                $this->fail("$around is there already, at $before", $place);
            }
            $this->dotted[$around] ??= $place;
        }
        $this->values[$key] = $place;
        $valuePlace = $this->place();
        $this->entries[] = new TomlEntry($key, $this->value(), $place, $valuePlace);
    }

    /** @return non-empty-list<string> the words between the dots */
    private function key(): array
    {
        do {
            $words[] = $this->take('[A-Za-z0-9_-]+') ?? $this->fail($this->isAt('["\']')
                ? 'keys are written without quotes here'
                : 'a key is made of letters, digits, _ and -');
        } while ($this->take('[ \t]*\.[ \t]*') !== null);
        return $words;
    }

    /** @return string|int|bool|list<string> */
    private function value(): string|int|bool|array
    {
        if ($this->isAt('["\']')) {
            return $this->string();
        }
        if ($this->take('\[') !== null) {
            return $this->list();
        }
        $word = $this->take('(?:true|false)(?![\w.:+-])');
        if ($word !== null) {
            return $word === 'true';
        }
        $place = $this->place();
        $digits = $this->take('[+-]?(?:0|[1-9](?:_?\d)*+)(?![\w.:+-])');
        if ($digits === null) {
            $this->failAtValue();
        }
        $number = filter_var(strtr($digits, ['_' => '']), FILTER_VALIDATE_INT);
        return $number === false ? $this->fail("$digits is too large", $place) : $number;
    }

    private function string(): string
    {
        if ($this->isAt('"""|\'\'\'')) {
            $this->fail('strings of several lines are not read here');
        }
        $literal = $this->take("'(?:(?!')" . self::TEXT . ")*+'");
        if ($literal !== null) {
            return substr($literal, 1, -1);
        }
        $start = $this->at;
        $string = $this->take('"(?:(?!["\\\\])' . self::TEXT . '|\\\\' . self::TEXT . ')*+"');
        if ($string === null) {
            $this->fail('a string ends on its line with the quote that it starts with, and has no control characters');
        }
        $escapes = ['\\"' => '"', '\\\\' => '\\'] + self::ESCAPES;
        preg_match_all('/\\\\./s', $string, $matches, PREG_OFFSET_CAPTURE);
        foreach ($matches[0] as [$escape, $offset]) {
            if (!isset($escapes[$escape])) {
                $this->at = $start + $offset;
                $this->fail('a backslash stands before one of b t n f r " \ here');
            }
        }
        return strtr(substr($string, 1, -1), $escapes);
    }

    /** @return list<string> */
    private function list(): array
    {
        $items = [];
        $this->skipLines();
        while ($this->take('\]') === null) {
            $this->isAt('["\']') || $this->fail('a list is made of strings, with commas between them, and ends with ]');
            $items[] = $this->string();
            $this->skipLines();
            if ($this->take(',') === null && !$this->isAt('\]')) {
                $this->fail('after a string of a list comes a comma or ]');
            }
            $this->skipLines();
        }
        return $items;
    }

    /** Spaces, comments and ends of lines, which a list may have between its items. */
    private function skipLines(): void
    {
        do {
            $this->take('[ \t]*(?:#' . self::TEXT . '*+)?');
        } while ($this->newline());
    }

    private function endLine(): void
    {
        $this->take('[ \t]*(?:#' . self::TEXT . '*+)?');
        if (!$this->newline() && $this->at < strlen($this->text)) {
            $this->fail($this->isAt('[\x00-\x1F\x7F]') ? 'a control character' : 'the line must end here');
        }
    }

    private function newline(): bool
    {
        if ($this->take('\r?\n') === null) {
            return false;
        }
        $this->line++;
        $this->lineStart = $this->at;
        return true;
    }

    /** Takes what matches here, all of it on this line but a newline; null if nothing does. */
    private function take(string $pattern): ?string
    {
        if (preg_match("~\\G(?:$pattern)~", $this->text, $match, 0, $this->at) !== 1) {
            return null;
        }
        $this->at += strlen($match[0]);
        return $match[0];
    }

    private function isAt(string $pattern): bool
    {
        return preg_match("~\\G(?:$pattern)~D", $this->text, $match, 0, $this->at) === 1;
    }

    private function place(): string
    {
        // Characters, not bytes: those that continue one don't count.
        $before = substr($this->text, $this->lineStart, $this->at - $this->lineStart);
        $column = 1 + strlen((string) preg_replace('/[\x80-\xBF]/', '', $before));
        return "{$this->name}:{$this->line}:$column";
    }

    private function failAtValue(): never
    {
        preg_match('~\G[^\s,#]*~', $this->text, $match, 0, $this->at);
        $word = substr($match[0], 0, self::SHOWN_BYTES_MAX);
        $this->fail($word === '' ? 'a value is missing' : "$word is no value here, but these are: " . self::VALUES);
    }

    private function fail(string $message, ?string $place = null): never
    {
        throw InvalidConfig::at($place ?? $this->place(), $message);
    }

    private function checkEncoding(): void
    {
        if (preg_match('//u', $this->text) === 1) {
            return;
        }
        foreach (preg_split('/(?<=\n)/', $this->text) as $line) {
            if (preg_match('//u', $line) !== 1) {
                break;
            }
            $this->at += strlen($line);
            $this->line++;
        }
        $this->lineStart = $this->at;
        // RFC 3629, section 4.
        $character = '[\x00-\x7F]|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}'
            . '|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}'
            . '|\xF4[\x80-\x8F][\x80-\xBF]{2}';
        $this->take("(?:$character)*+");
        $this->fail('a byte that is not UTF-8');
    }
}
