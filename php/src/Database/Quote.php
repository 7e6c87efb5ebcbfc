<?php

declare(strict_types=1);

namespace Lyger\Database;

use Lyger\Exception\InvalidArgument;

/**
 * Text as a literal of SQL, for libraries whose interfaces ask for it. Whatever else builds SQL binds its values.
 *
 * It holds for the sessions that the engine opens: standard_conforming_strings is on in PostgreSQL, and neither
 * NO_BACKSLASH_ESCAPES nor another character set than UTF-8 is set in MySQL.
 */
final class Quote
{
    public static function text(string $text, Dialect $dialect): string
    {
        if (preg_match('//u', $text) !== 1) {
            throw InvalidArgument::because('only UTF-8 can be quoted as text: bind bytes as Lyger\\Database\\Bytes');
        }
        if ($dialect !== Dialect::Mysql && str_contains($text, "\0")) {
            throw InvalidArgument::because("a text with a NUL byte can't be quoted");
        }
        $escaped = $dialect === Dialect::Mysql
            ? strtr($text, ['\\' => '\\\\', "'" => "''", "\0" => '\\0', "\n" => '\\n', "\r" => '\\r', "\x1a" => '\\Z'])
            : str_replace("'", "''", $text);
        return "'$escaped'";
    }
}
