<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/**
 * The words of a statement, as its database would read them: rust/db/words.rs in PHP. What stands in quotes and
 * comments is no word; in MySQL the inside of a comment with `!` is a part of the statement. Text that never ends
 * reaches to the end.
 */
final class Lexer
{
    private const BLANK = " \t\n\r\f\v";
    /** Between two parts of one string: nothing, or blanks and comments with a line break. */
    private const GAP = '/\G(?:(?<blank>\s|--[^\r\n]*+(?=[\r\n]))*?[\r\n](?&blank)*+)?(?=\')/';

    /** Where the last token begins, in bytes. */
    public int $start = 0;
    /** Where it ends: set further, what lies between is taken. */
    public int $end = 0;

    private static string $nameBytes = '';
    /** Whether this is inside a comment that MySQL executes: only there an end of a comment ends something. */
    private bool $inCode = false;
    private readonly int $length;

    public function __construct(private readonly string $dialect, private readonly string $sql)
    {
        $this->length = strlen($sql);
    }

    /** How many bytes of names stand at $at. */
    public static function nameLength(string $sql, int $at): int
    {
        if (self::$nameBytes === '') {
            $letters = implode('', array_merge(range('a', 'z'), range('A', 'Z')));
            self::$nameBytes = "{$letters}0123456789_" . implode('', array_map(chr(...), range(0x80, 0xff)));
        }
        return strspn($sql, self::$nameBytes, $at);
    }

    /** A word as it is, '' for what stands in quotes and for a number, else the one byte; null at the end. */
    public function next(): ?string
    {
        $this->skipBlank();
        if ($this->end >= $this->length) {
            return null;
        }
        $this->start = $at = $this->end;
        $byte = $this->sql[$at];
        $isMysql = $this->dialect === 'mysql';
        if ($byte === "'" || $byte === '"') {
            $this->end = $this->quoted($at, $isMysql);
            return '';
        }
        if ($byte === '`') {
            $this->end = $this->quoted($at, false);
            return '';
        }
        if ($byte === '[' && $this->dialect === 'sqlite') {
            $this->end = $this->through(']', $at);
            return '';
        }
        if ($byte === '$' && $this->dialect === 'postgres') {
            if (preg_match('/\G\$(?!\d)[\w\x80-\xff]*+\$/', $this->sql, $tag, 0, $at) === 1) {
                $this->end = $this->through($tag[0], $at + strlen($tag[0]));
                return '';
            }
        }
        if (self::nameLength($this->sql, $at) === 0) {
            $this->end = $at + 1;
            return $byte;
        }
        return $this->name($at);
    }

    private function name(int $at): string
    {
        do {
            $this->end += self::nameLength($this->sql, $this->end);
            $this->end += strspn($this->sql, '$', $this->end);
        } while (self::nameLength($this->sql, $this->end) > 0);
        $word = substr($this->sql, $at, $this->end - $at);
        if (strcasecmp($word, 'e') === 0 && $this->dialect === 'postgres' && $this->at($this->end) === "'") {
            // A string with escapes that goes on behind a doubled quote or a line break has them there, too.
            do {
                $this->end = $this->quoted($this->end, true);
                $goesOn = preg_match(self::GAP, $this->sql, $match, 0, $this->end) === 1;
                $this->end += $goesOn ? strlen($match[0]) : 0;
            } while ($goesOn);
            return '';
        }
        return ctype_digit($word[0]) ? '' : $word;
    }

    private function skipBlank(): void
    {
        $isMysql = $this->dialect === 'mysql';
        if ($this->end === 0 && $this->dialect === 'sqlite' && str_starts_with($this->sql, "\xef\xbb\xbf")) {
            $this->end = 3;
        }
        while (true) {
            $this->end += strspn($this->sql, self::BLANK, $this->end);
            $at = $this->end;
            $two = substr($this->sql, $at, 2);
            if ($two === '--') {
                // MySQL wants a blank behind it: `1--1` is a sum.
                if ($isMysql && !$this->isBlankAt($at + 2)) {
                    return;
                }
                $this->end = $this->line($at);
            } elseif ($two === '/*') {
                if ($isMysql && preg_match('~\G/\*M?!\d*+~', $this->sql, $opening, 0, $at) === 1) {
                    $this->inCode = true;
                    $this->end = $at + strlen($opening[0]);
                } else {
                    $this->end = $this->dialect === 'postgres' ? $this->nested($at) : $this->through('*/', $at + 2);
                }
            } elseif ($two === '*/' && $this->inCode) {
                $this->inCode = false;
                $this->end = $at + 2;
            } elseif ($isMysql && $two !== '' && $two[0] === '#') {
                $this->end = $this->line($at);
            } else {
                return;
            }
        }
    }

    /** Past the line; PostgreSQL's end at a carriage return as well. */
    private function line(int $at): int
    {
        $breaks = $this->dialect === 'postgres' ? "\r\n" : "\n";
        return min($this->length, $at + strcspn($this->sql, $breaks, $at) + 1);
    }

    private function nested(int $at): int
    {
        $depth = 1;
        $at += 2;
        while ($depth > 0 && preg_match('~\*/|/\*~', $this->sql, $match, PREG_OFFSET_CAPTURE, $at) === 1) {
            $depth += $match[0][0] === '/*' ? 1 : -1;
            $at = $match[0][1] + 2;
        }
        return $depth > 0 ? $this->length : $at;
    }

    /** A doubled quote ends one string and starts the next, which comes to the same. */
    private function quoted(int $at, bool $backslashEscapes): int
    {
        $quote = $this->sql[$at++];
        $stops = $backslashEscapes ? "$quote\\" : $quote;
        while (true) {
            $at += strcspn($this->sql, $stops, $at);
            if ($at >= $this->length) {
                return $this->length;
            }
            if ($this->sql[$at] === $quote) {
                return $at + 1;
            }
            $at += 2;
            if ($at >= $this->length) {
                return $this->length;
            }
        }
    }

    /** Past the first $end, or to the end of the text. */
    private function through(string $end, int $at): int
    {
        $found = $at > $this->length ? false : strpos($this->sql, $end, $at);
        return $found === false ? $this->length : $found + strlen($end);
    }

    /** The byte there, or nothing. */
    private function at(int $at): string
    {
        return $at < $this->length ? $this->sql[$at] : '';
    }

    private function isBlankAt(int $at): bool
    {
        $byte = $this->at($at);
        return $byte === '' || $byte === "\x7f" || ord($byte) <= 0x20;
    }
}
