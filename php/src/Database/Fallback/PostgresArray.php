<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

/**
 * An array of PostgreSQL, from the text of its array_out to JSON: `{{1,NULL},{2,3}}` to `[[1,null],[2,3]]`. Each
 * element is written as a column of its type would be. JSON counts from 0 whatever the array's own bounds are.
 */
final class PostgresArray implements PostgresReader
{
    /** @param string $delimiter between elements: a comma, in arrays of boxes a semicolon */
    public function __construct(private readonly PostgresReader $element, private readonly string $delimiter)
    {
    }

    public function kind(): Kind
    {
        return Kind::Json;
    }

    public function value(mixed $value): string
    {
        $text = (string) $value;
        $json = '';
        // Bounds other than 1 stand before: [0:2]={1,2,3}.
        $at = (int) strpos($text, '{');
        $end = strlen($text);
        while ($at < $end) {
            $char = $text[$at];
            if ($char === '"') {
                $from = ++$at;
                while ($text[$at += strcspn($text, '"\\', $at)] !== '"') {
                    $at += 2; // a backslash and what it protects
                }
                $json .= $this->element(stripslashes(substr($text, $from, $at - $from)));
                $at++;
                continue;
            }
            $length = strcspn($text, '{}' . $this->delimiter, $at);
            if ($length > 0) {
                $word = substr($text, $at, $length);
                $json .= $word === 'NULL' ? 'null' : $this->element($word);
                $at += $length;
                continue;
            }
            $json .= ['{' => '[', '}' => ']'][$char] ?? ',';
            $at++;
        }
        return $json;
    }

    private function element(string $text): string
    {
        // PDO decodes bytea only where it is the column's own type.
        $value = $this->element === PostgresType::Bytea ? (string) hex2bin(substr($text, 2)) : $text;
        return JsonText::value($this->element->value($value), $this->element->kind());
    }
}
