<?php

declare(strict_types=1);

namespace Lyger\Vector\Fallback;

use Closure;
use HashContext;
use Lyger\Exception\IndexDamaged;
use Lyger\Exception\IndexFileFailed;
use Lyger\Exception\InvalidArgument;
use Lyger\Exception\InvalidVector;

/**
 * An index as a file: rust/vector/file.rs in PHP, and byte for byte the same. All numbers are little-endian:
 *
 * | bytes | what |
 * |---|---|
 * | 8 | LYGERVEC |
 * | 4 | the version of the format, 1 |
 * | 4 | d, the elements of a vector |
 * | 8 | n, how many vectors there are |
 * | 8 n | their ids, ascending |
 * | 4 n d | their elements as floats, in the order of the ids |
 * | 8 | XXH3 (64 bits, seed 0) of all bytes before |
 *
 * It is written beside, forced to the disk, and then takes its name: the file of that name is whole.
 */
final class File
{
    private const MAGIC = 'LYGERVEC';
    private const VERSION = 1;
    private const HEAD_BYTES = 24;
    private const CHECKSUM_BYTES = 8;

    private readonly HashContext $hash;

    /** @param resource $stream */
    private function __construct(private readonly string $path, private $stream)
    {
        $this->hash = hash_init('xxh3');
    }

    /** @param array<int, string> $rows packed, by id */
    public static function write(string $path, int $dimension, array $rows): void
    {
        $local = self::local($path);
        $beside = $local . '.' . getmypid() . '-' . bin2hex(random_bytes(4)) . '.part';
        error_clear_last();
        $stream = @fopen($beside, 'x') ?: throw self::refused($path, 'written');
        try {
            $file = new self($path, $stream);
            ksort($rows);
            $file->put(self::MAGIC . pack('VVP', self::VERSION, $dimension, count($rows)));
            foreach (array_chunk(array_keys($rows), 1000) as $ids) {
                $file->put(pack('P*', ...$ids));
            }
            foreach ($rows as $row) {
                $file->put($row);
            }
            $file->put($file->checksum());
            if (!@fsync($stream) || !@fclose($stream) || !@rename($beside, $local)) {
                throw self::refused($path, 'written');
            }
        } finally {
            is_file($beside) && @unlink($beside);
        }
    }

    /**
     * @param Closure(int, int): void $check throws where so many elements, and so many such vectors, are too many
     * @return array{int, array<int, string>} the elements of a vector, and the vectors packed by their ids
     */
    public static function read(string $path, Closure $check): array
    {
        $local = self::local($path);
        error_clear_last();
        // Asked before it is opened: opening a pipe would wait for its writer.
        if (file_exists($local) && !is_file($local)) {
            throw IndexDamaged::at($path, "it isn't a file");
        }
        $stream = @fopen($local, 'r') ?: throw self::refused($path, 'read');
        $file = new self($path, $stream);
        try {
            return $file->rows(fstat($stream)['size'], $check);
        } finally {
            fclose($stream);
        }
    }

    /**
     * @param Closure(int, int): void $check
     * @return array{int, array<int, string>}
     */
    private function rows(int $bytes, Closure $check): array
    {
        if ($bytes < self::HEAD_BYTES + self::CHECKSUM_BYTES) {
            $least = self::HEAD_BYTES + self::CHECKSUM_BYTES;
            throw IndexDamaged::at($this->path, "it has $bytes bytes, and the smallest has $least");
        }
        $head = $this->take(self::HEAD_BYTES);
        if (!str_starts_with($head, self::MAGIC)) {
            throw IndexDamaged::at($this->path, "it doesn't begin with " . self::MAGIC);
        }
        ['version' => $version, 'dimension' => $dimension, 'count' => $count]
            = unpack('Vversion/Vdimension/Pcount', $head, strlen(self::MAGIC));
        if ($version !== self::VERSION) {
            $reason = "its version is $version, and this engine reads " . self::VERSION;
            throw IndexDamaged::at($this->path, $reason);
        }
        // A float where it is more than an integer holds; an unsigned count beyond that is negative here.
        $expected = self::HEAD_BYTES + self::CHECKSUM_BYTES + $count * (8 + 4 * $dimension);
        if ($bytes !== $expected) {
            $vectors = sprintf('%u vectors of %d elements', $count, $dimension);
            throw IndexDamaged::at($this->path, "it has $bytes bytes; $vectors have $expected");
        }
        $check($dimension, $count);
        return [$dimension, $this->vectors($dimension, $count)];
    }

    /** @return array<int, string> */
    private function vectors(int $dimension, int $count): array
    {
        $ids = [];
        for ($left = $count; $left > 0; $left -= 1000) {
            array_push($ids, ...array_values(unpack('P*', $this->take(8 * min($left, 1000)))));
        }
        $rows = [];
        foreach ($ids as $id) {
            $rows[$id] = $this->take(4 * $dimension);
        }
        if (fread($this->stream, self::CHECKSUM_BYTES) !== $this->checksum()) {
            $reason = 'its checksum is wrong: it was changed, or written in part';
            throw IndexDamaged::at($this->path, $reason);
        }
        // What passes the checksum was written by a program that should know better.
        foreach ($ids as $at => $id) {
            if ($at > 0 && $ids[$at - 1] >= $id) {
                throw IndexDamaged::at($this->path, "its ids don't ascend: {$ids[$at - 1]} comes before $id");
            }
        }
        foreach ($rows as $id => $row) {
            try {
                Rows::check(unpack('g*', $row), $id);
            } catch (InvalidVector $exception) {
                throw IndexDamaged::at($this->path, $exception->getMessage());
            }
        }
        return $rows;
    }

    /** The path, as what PHP takes for no URL: `data:x` is a file's name, `http://x` a file in a folder. */
    private static function local(string $path): string
    {
        if ($path === '' || str_contains($path, "\0")) {
            throw InvalidArgument::because('a path has at least one byte, and no NUL', 'path');
        }
        return $path[0] === '/' ? $path : "./$path";
    }

    private function put(string $bytes): void
    {
        hash_update($this->hash, $bytes);
        if (@fwrite($this->stream, $bytes) !== strlen($bytes)) {
            throw self::refused($this->path, 'written');
        }
    }

    private function take(int $bytes): string
    {
        $taken = (string) @stream_get_contents($this->stream, $bytes);
        hash_update($this->hash, $taken);
        return strlen($taken) === $bytes ? $taken : throw self::refused($this->path, 'read');
    }

    private function checksum(): string
    {
        return strrev(hash_final(hash_copy($this->hash), true));
    }

    /** With what the system has just said, which PHP has behind its own words. */
    private static function refused(string $path, string $done): IndexFileFailed
    {
        $told = explode(': ', error_get_last()['message'] ?? 'unknown');
        return IndexFileFailed::at($path, $done, end($told));
    }
}
