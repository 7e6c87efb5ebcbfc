<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use Lyger\Exception\EngineFailed;

/**
 * Rows as the engine writes them for PHP (rust/json/rows.rs): a few are serialized; more come column by column, in the
 * forms of which PHP makes whole lists by one call, and rows of those.
 */
final class Rows
{
    /** @return list<mixed> */
    public static function unserialize(string $bytes): array
    {
        $rows = unserialize($bytes, ['allowed_classes' => false]);
        return is_array($rows) ? $rows : throw new EngineFailed('the engine serialized rows that PHP cannot read');
    }

    /** @return list<array<string, mixed>> */
    public static function read(string $bytes): array
    {
        if ($bytes[0] !== 'c') {
            return self::unserialize($bytes);
        }
        $names = [];
        $at = 5;
        for ($left = unpack('V', $bytes, 1)[1]; $left > 0; $left--) {
            $length = unpack('V', $bytes, $at)[1];
            $names[] = substr($bytes, $at + 4, $length);
            $at += 4 + $length;
        }
        $rows = [];
        while ($at < strlen($bytes)) {
            $count = unpack('V', $bytes, $at)[1];
            $at += 4;
            $columns = [];
            foreach ($names as $name) {
                $columns[] = self::column($bytes, $at, $count);
            }
            if (count($columns) === 1) { // of which array_map() would make no rows
                foreach ($columns[0] as $value) {
                    $rows[] = [$names[0] => $value];
                }
                continue;
            }
            foreach (array_map(null, ...$columns) as $values) {
                $rows[] = array_combine($names, $values);
            }
        }
        return $rows;
    }

    /**
     * @param int $at where the column begins; afterwards where it ends
     * @return array<mixed> values in their order
     */
    private static function column(string $bytes, int &$at, int $count): array
    {
        ['kind' => $kind, 'nulls' => $nulls, 'length' => $length] = unpack('akind/Vnulls/Vlength', $bytes, $at);
        $begin = $at + 9 + 4 * $nulls;
        $cells = substr($bytes, $begin, $length);
        $values = match ($kind) {
            'i' => unpack('P*', $cells),
            'd' => unpack('e*', $cells),
            'b' => array_replace(array_fill(0, $count, true), array_fill_keys(unpack('V*', $cells), false)),
            't' => explode("\0", $cells),
            's' => self::unserialize($cells),
        };
        if ($nulls > 0) {
            foreach (unpack("V$nulls", $bytes, $at + 9) as $key) {
                $values[$key] = null;
            }
        }
        $at = $begin + $length;
        return $values;
    }
}
