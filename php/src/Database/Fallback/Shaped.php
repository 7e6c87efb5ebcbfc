<?php

declare(strict_types=1);

namespace Lyger\Database\Fallback;

use Lyger\Database\Bytes;
use Lyger\Database\RowShape;
use Lyger\Exception\InvalidArgument;

/** A table's rows in a shape, byte for byte what the engine writes (rust/json/body.rs, csv.rs and keyed.rs). */
final class Shaped
{
    /** Null where a single row is asked for and there is none. */
    public static function body(Table $table, RowShape $shape, int $total): ?string
    {
        $body = self::plain($table, $shape, $total);
        return $body === null || $shape->flags === null ? $body : Escapes::apply($body, $shape->flags);
    }

    private static function plain(Table $table, RowShape $shape, int $total): ?string
    {
        return match ($shape->name) {
            'arrays' => '[' . implode(',', $table->arrays()) . ']',
            'keyed' => self::keyed($table, $shape->key),
            'single' => $table->objects()[0] ?? null,
            'envelope' => '{"data":' . $table->json() . ',"meta":{"count":' . count($table->rows) . '}}',
            'paged' => self::paged($table, $shape, $total),
            // What PostgreSQL keeps of a JSON text's form may break lines.
            'ndjson' => implode('', array_map(
                static fn (string $row): string => strtr($row, "\r\n", '  ') . "\n",
                $table->objects(),
            )),
            'csv' => self::csv($table),
            default => $table->json(),
        };
    }

    private static function keyed(Table $table, string $name): string
    {
        if (self::isNameless($table)) {
            return '{}';
        }
        // Of columns with one name the last has the values.
        $index = array_search($name, array_reverse(array_column($table->columns, 'name'), true), true);
        if ($index === false) {
            throw InvalidArgument::because("the result has no column \"$name\" to be keyed by", $name);
        }
        $rows = [];
        foreach ($table->objects() as $nth => $object) {
            $key = self::text($table->rows[$nth][$index], $table->columns[$index]->kind)
                ?? throw InvalidArgument::because(
                    "a row is NULL in \"$name\", the column that the result is keyed by",
                    $name,
                );
            $rows[$key] = JsonText::quote($key) . ':' . $object;
        }
        return '{' . implode(',', $rows) . '}';
    }

    private static function paged(Table $table, RowShape $shape, int $total): string
    {
        $pages = intdiv($total, $shape->perPage) + ($total % $shape->perPage > 0 ? 1 : 0);
        $meta = ['count' => count($table->rows), 'total' => $total, 'page' => $shape->page];
        $meta += ['per_page' => $shape->perPage, 'pages' => $pages];
        return '{"data":' . $table->json() . ',"meta":' . json_encode($meta) . '}';
    }

    private static function csv(Table $table): string
    {
        if ($table->columns === [] || self::isNameless($table)) {
            return '';
        }
        // The place of a name's first column, the values of its last.
        $indexes = [];
        foreach ($table->columns as $index => $column) {
            $indexes["n$column->name"] = $index;
        }
        $lines = [];
        foreach ($indexes as $index) {
            $lines[0][] = self::field($table->columns[$index]->name);
        }
        foreach ($table->rows as $row) {
            $fields = [];
            foreach ($indexes as $index) {
                $text = self::text($row[$index], $table->columns[$index]->kind);
                $fields[] = $text === null ? '' : self::field($text);
            }
            $lines[] = $fields;
        }
        return implode('', array_map(static fn (array $fields): string => implode(',', $fields) . "\r\n", $lines));
    }

    /** PDO tells no names of SQLite's columns where there is no row. */
    private static function isNameless(Table $table): bool
    {
        return $table->rows === [] && implode('', array_column($table->columns, 'name')) === '';
    }

    private static function field(string $text): string
    {
        return $text === '' || strpbrk($text, "\",\r\n") !== false ? '"' . str_replace('"', '""', $text) . '"' : $text;
    }

    /** A cell without quotes; null for what is null in JSON. */
    private static function text(mixed $value, Kind $kind): ?string
    {
        if ($value instanceof Bytes) {
            return base64_encode($value->bytes);
        }
        if (is_string($value)) {
            switch ($kind) {
                case Kind::Text:
                    return preg_match('//u', $value) === 1 ? $value : Utf8::lossy($value);
                case Kind::Bytes:
                    return base64_encode($value);
                case Kind::Json:
                    return $value;
                default:
            }
        }
        $json = JsonText::value($value, $kind);
        return $json === 'null' ? null : $json;
    }
}
