<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/** Where the placeholders of a statement are: rust/db/tokens/places.rs in PHP. */
final class Places
{
    /** What a label of MySQL's procedures may stand before. */
    private const LABELLED = ['begin', 'loop', 'repeat', 'while', 'for'];

    /** What is neither a placeholder nor changes what follows: most of a statement, which PHP would read too slowly. */
    private const PLAIN = '~\G(?:(?!(?:in|not)(?![\w$\x80-\xff])|e\')[\w\x80-\xff][\w$\x80-\xff]*+
        |[^\w\x80-\xff\'"`?:$@/*\#[\]-]++|-(?!-)|/(?!\*)|\*(?!/))++~xi';

    private Lexer $lexer;
    private int $brackets = 0;
    /** The last words, as far as a list needs to know: '', 'not', 'in', or '(' behind IN. */
    private string $before = '';
    private int $opening = 0;
    private bool $negated = false;

    public function __construct(private readonly string $dialect, private readonly string $sql)
    {
        $this->lexer = new Lexer($dialect, $sql);
    }

    /** The next placeholder, from first to last. */
    public function next(): ?Place
    {
        $lexer = $this->lexer;
        while (($token = $this->token()) !== null) {
            $start = $lexer->start;
            [$kind, $end] = in_array($token, ['?', ':', '$', '@'], true) ? $this->mark($token) : [null, $lexer->end];
            $lexer->end = $end;
            if ($this->dialect === 'postgres' && ($token === '[' || $token === ']')) {
                $this->brackets = max(0, $this->brackets + ($token === '[' ? 1 : -1));
            }
            if ($kind !== null) {
                $opening = $this->before === '(' ? $this->opening : null;
                $this->before = '';
                return new Place($kind, $start, $end, $opening, $this->negated, $this->brackets > 0);
            }
            $this->note($token);
        }
        return null;
    }

    /** Where the parenthesis ends that closes directly behind the last place. */
    public function closing(): ?int
    {
        $ahead = clone $this->lexer;
        return $ahead->next() === ')' ? $ahead->end : null;
    }

    private function token(): ?string
    {
        $at = $this->lexer->end;
        // Not at the beginning, where SQLite's byte order mark may be.
        if ($at > 0 && $this->before === '' && preg_match(self::PLAIN, $this->sql, $plain, 0, $at) === 1) {
            $this->lexer->end += strlen($plain[0]);
        }
        return $this->lexer->next();
    }

    private function note(string $token): void
    {
        $word = strlen($token) <= 3 ? strtolower($token) : '';
        if ($word === 'in') {
            $this->negated = $this->before === 'not';
            $this->opening = $this->negated ? $this->opening : $this->lexer->start;
            $this->before = 'in';
        } elseif ($word === 'not') {
            $this->opening = $this->lexer->start;
            $this->before = 'not';
        } else {
            $this->before = $token === '(' && $this->before === 'in' ? '(' : '';
        }
    }

    /** @return array{string|null, int} what a mark begins, where it is a placeholder, and where that ends */
    private function mark(string $mark): array
    {
        $at = $this->lexer->end;
        $next = $this->sql[$at] ?? '';
        if ($mark === '?' && $this->dialect === 'postgres' && $next === '?') {
            return [Place::OPERATOR, $at + 1];
        }
        $numbered = ['postgres' => '$', 'sqlite' => '?'][$this->dialect] ?? '';
        if ($mark === $numbered && ctype_digit($next)) {
            return [Place::NUMBER, $at + strspn($this->sql, '0123456789', $at)];
        }
        if ($mark === '?') {
            return [Place::QUESTION, $at];
        }
        if ($mark === ':' && $next === ':') {
            return [null, $at + strspn($this->sql, ':', $at)];
        }
        $end = $at + Lexer::nameLength($this->sql, $at);
        if ($end === $at || ($mark !== ':' && $this->dialect !== 'sqlite')) {
            return [null, $at];
        }
        $name = substr($this->sql, $at, $end - $at);
        if ($mark === ':' && $this->dialect === 'mysql' && $this->isLabel($at - 1, $name)) {
            return [null, $at];
        }
        return [$mark === ':' ? Place::NAME : Place::NATIVE, $end];
    }

    /** A label of MySQL stands right before its colon. */
    private function isLabel(int $colon, string $name): bool
    {
        $before = $colon === 0 ? '' : $this->sql[$colon - 1];
        return in_array(strtolower($name), self::LABELLED, true)
            && ($before === '`' || ($before !== '' && Lexer::nameLength($before, 0) === 1));
    }
}
