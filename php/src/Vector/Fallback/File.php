<?php

declare(strict_types=1);

namespace Lyger\Vector\Fallback;

use Closure;
use HashContext;
use Lyger\Database\Fallback\Utf8;
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

    private const PATH_BYTES_MAX = 4096;

    /** As PHP opens it, and as messages have it. */
    private readonly string $local;
    private readonly string $name;
    private readonly HashContext $hash;
    /** What the system has said last. */
    private string $told = 'unknown';
    /** @var resource */
    private $stream;

    private function __construct(string $path)
    {
        $this->local = self::local($path);
        $this->name = Utf8::lossy($path);
        $this->hash = hash_init('xxh3');
    }

    /** @param array<int, string> $rows packed, by id */
    public static function write(string $path, int $dimension, array $rows): void
    {
        $file = new self($path);
        ksort($rows);
        $beside = $file->local . '.' . getmypid() . '-' . bin2hex(random_bytes(4)) . '.part';
        $file->listening(static function () use ($file, $beside, $dimension, $rows): void {
            $file->open($beside, 'x', 'written');
            try {
                $file->content($dimension, $rows);
                if (!fsync($file->stream) || !fclose($file->stream) || !rename($beside, $file->local)) {
                    throw $file->refused('written');
                }
            } finally {
                is_file($beside) && unlink($beside);
            }
        });
    }

    /**
     * @param Closure(int, int): void $check throws where so many elements, and so many such vectors, are too many
     * @return array{int, array<int, string>} the elements of a vector, and the vectors packed by their ids
     */
    public static function read(string $path, Closure $check): array
    {
        $file = new self($path);
        return $file->listening(static function () use ($file, $check): array {
            // Asked before it is opened: opening a pipe would wait for its writer.
            if (file_exists($file->local) && !is_file($file->local)) {
                throw $file->damaged("it isn't a file");
            }
            $file->open($file->local, 'r', 'read');
            try {
                return $file->rows(fstat($file->stream)['size'], $check);
            } finally {
                fclose($file->stream);
            }
        });
    }

    private function open(string $local, string $mode, string $done): void
    {
        $this->stream = fopen($local, $mode) ?: throw $this->refused($done);
    }

    /** @param array<int, string> $rows packed, by ascending id */
    private function content(int $dimension, array $rows): void
    {
        $this->put(self::MAGIC . pack('VVP', self::VERSION, $dimension, count($rows)));
        foreach (array_chunk(array_keys($rows), 1000) as $ids) {
            $this->put(pack('P*', ...$ids));
        }
        foreach ($rows as $row) {
            $this->put($row);
        }
        $this->put($this->checksum());
    }

    /**
     * @param Closure(int, int): void $check
     * @return array{int, array<int, string>}
     */
    private function rows(int $bytes, Closure $check): array
    {
        if ($bytes < self::HEAD_BYTES + self::CHECKSUM_BYTES) {
            $least = self::HEAD_BYTES + self::CHECKSUM_BYTES;
            throw $this->damaged("it has $bytes bytes, and the smallest has $least");
        }
        $head = $this->take(self::HEAD_BYTES);
        if (!str_starts_with($head, self::MAGIC)) {
            throw $this->damaged("it doesn't begin with " . self::MAGIC);
        }
        ['version' => $version, 'dimension' => $dimension, 'count' => $count]
            = unpack('Vversion/Vdimension/Pcount', $head, strlen(self::MAGIC));
        if ($version !== self::VERSION) {
            $reason = "its version is $version, and this engine reads " . self::VERSION;
            throw $this->damaged($reason);
        }
        // A float where it is more than an integer holds; an unsigned count beyond that is negative here.
        $expected = self::HEAD_BYTES + self::CHECKSUM_BYTES + $count * (8 + 4 * $dimension);
        if ($bytes !== $expected) {
            $vectors = sprintf('%u vectors of %d elements', $count, $dimension);
            $have = $count < 0 || is_float($expected) ? 'more than any file' : $expected;
            throw $this->damaged("it has $bytes bytes; $vectors have $have");
        }
        if ($dimension === 0) {
            throw $this->damaged('its vectors have no elements');
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
            throw $this->damaged($reason);
        }
        // What passes the checksum was written by a program that should know better.
        foreach ($ids as $at => $id) {
            if ($at > 0 && $ids[$at - 1] >= $id) {
                throw $this->damaged("its ids don't ascend: {$ids[$at - 1]} comes before $id");
            }
        }
        foreach ($rows as $id => $row) {
            try {
                Rows::check(unpack('g*', $row), $id);
            } catch (InvalidVector $exception) {
                throw $this->damaged($exception->getMessage());
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
        $bytes = strlen($path);
        if ($bytes > self::PATH_BYTES_MAX) {
            $reason = "path has $bytes bytes and may have " . self::PATH_BYTES_MAX;
            throw InvalidArgument::because($reason, (string) $bytes);
        }
        return $path[0] === '/' ? $path : "./$path";
    }

    /** Does $work, and hears what the system says meanwhile: the application's own handler might keep it for itself. */
    private function listening(Closure $work): mixed
    {
        set_error_handler(function (int $level, string $message): bool {
            // The reason is behind PHP's own words.
            $this->told = (string) preg_replace('/^.*(?:: |failed with errno=\d+ )/s', '', $message);
            return true;
        });
        try {
            return $work();
        } finally {
            restore_error_handler();
        }
    }

    private function put(string $bytes): void
    {
        hash_update($this->hash, $bytes);
        if (fwrite($this->stream, $bytes) !== strlen($bytes)) {
            throw $this->refused('written');
        }
    }

    private function take(int $bytes): string
    {
        $taken = (string) stream_get_contents($this->stream, $bytes);
        hash_update($this->hash, $taken);
        return strlen($taken) === $bytes ? $taken : throw $this->refused('read');
    }

    private function checksum(): string
    {
        return strrev(hash_final(hash_copy($this->hash), true));
    }

    private function refused(string $done): IndexFileFailed
    {
        return IndexFileFailed::at($this->name, $done, $this->told);
    }

    private function damaged(string $reason): IndexDamaged
    {
        return IndexDamaged::at($this->name, $reason);
    }
}
