<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;

/**
 * The rows of the last query() beside the bytes of which they were made. A handler that answers with them as they are
 * has the engine write the JSON: PHP's json_encode() takes six times as long (1,000 rows of six columns, 220 KB).
 *
 * What always holds: whoever has changed anything has another array, and json_encode() writes that (but 0.0 and -0.0
 * are the same to PHP). It ends with the request.
 */
final class LastRows
{
    /** So much of PHP's memory, about, may be held longer than the application holds its rows. */
    private const BYTES_MAX = 1_048_576;
    /** What a row takes in PHP beside its texts: the array, and a place for each column; there are powers of two. */
    private const ROW_BYTES = 72;
    private const PLACE_BYTES = 40;
    private const BUFFER_BYTES = 65_536;
    /** More JSON than that is json_encode()'s: the buffer stays. */
    private const BUFFER_BYTES_MAX = 2_097_152;

    /** @var list<array<string, mixed>>|null */
    private static ?array $rows = null;
    private static string $bytes = '';
    private static ?FFI $ffi = null;
    private static ?CData $buffer = null;
    private static int $bufferBytes = self::BUFFER_BYTES;

    /**
     * @param list<array<string, mixed>> $rows
     * @param string $bytes what Rows::read() has made them of
     */
    public static function keep(array $rows, string $bytes, FFI $ffi): void
    {
        $places = 8;
        while ($places < count($rows[0] ?? [])) {
            $places *= 2;
        }
        $held = count($rows) * (self::ROW_BYTES + $places * self::PLACE_BYTES) + 2 * strlen($bytes);
        if ($held <= self::BYTES_MAX) {
            [self::$rows, self::$bytes, self::$ffi] = [$rows, $bytes, $ffi];
        }
    }

    public static function forget(): void
    {
        [self::$rows, self::$bytes] = [null, ''];
    }

    /**
     * The JSON of these rows; null where they aren't the last, or the engine would write another than PHP.
     *
     * @param array<mixed> $data
     */
    public static function json(array $data): ?string
    {
        // PHP compares no further than to the first difference, and nothing where both are the same array. Floats have
        // the fewest digits that tell them apart, unless PHP has another precision.
        if (self::$ffi === null || self::$rows !== $data || ini_get('serialize_precision') !== '-1') {
            return null;
        }
        $needed = self::$ffi->new('size_t');
        do {
            self::$buffer ??= self::$ffi->new('char[' . self::$bufferBytes . ']');
            $status = self::$ffi->lyger_rows_json(
                self::$bytes,
                strlen(self::$bytes),
                self::$buffer,
                self::$bufferBytes,
                FFI::addr($needed),
            );
            $isLarger = $needed->cdata > self::$bufferBytes;
            if ($needed->cdata > self::BUFFER_BYTES_MAX) {
                return null;
            }
            while ($needed->cdata > self::$bufferBytes) {
                self::$bufferBytes *= 2;
                self::$buffer = null;
            }
        } while ($isLarger);
        return $status === 0 ? FFI::string(self::$buffer, $needed->cdata) : null;
    }
}
