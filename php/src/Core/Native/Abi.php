<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use Closure;
use FFI;
use FFI\CData;
use Lyger\Core\Status;
use Lyger\Exception\EngineFailed;
use Lyger\Exception\LygerException;

/**
 * The C boundary seen from PHP: statuses become exceptions, output buffers become strings.
 *
 * Buffers are allocated once and used again, which makes a call five times cheaper. Memory that the engine owns is
 * never kept: everything is copied before the call returns.
 */
final class Abi
{
    /** What most outputs fit into: a request's head, a page of rows. */
    private const BUFFER_BYTES = 65_536;

    private readonly CData $buffer;
    private readonly CData $needed;
    private readonly CData $neededPointer;

    public function __construct(public readonly FFI $ffi)
    {
        $this->buffer = $ffi->new('char[' . self::BUFFER_BYTES . ']');
        $this->needed = $ffi->new('size_t');
        $this->neededPointer = FFI::addr($this->needed);
    }

    /**
     * A function that fills (buf, cap, needed).
     *
     * @param Closure(CData, int, CData): int $call
     * @param int $room bytes that are known to hold it; where there are too few, it is called again
     */
    public function text(Closure $call, int $room = 0): string
    {
        return $this->find($call, $room) ?? throw $this->failure(Status::NotFound->value);
    }

    /**
     * The same; null for NOT_FOUND.
     *
     * @param Closure(CData, int, CData): int $call
     */
    public function find(Closure $call, int $room = 0): ?string
    {
        $bytes = max(self::BUFFER_BYTES, $room);
        $buffer = $room > self::BUFFER_BYTES ? $this->ffi->new("char[$room]") : $this->buffer;
        while (($status = $call($buffer, $bytes, $this->neededPointer)) === Status::BufferTooSmall->value) {
            // Again, because what is read may grow between two calls.
            $bytes = $this->needed->cdata;
            $buffer = $this->ffi->new("char[$bytes]");
        }
        if ($status === Status::NotFound->value) {
            return null;
        }
        $this->check($status);
        return $this->needed->cdata === 0 ? '' : FFI::string($buffer, $this->needed->cdata);
    }

    /** @throws LygerException unless the status is OK */
    public function check(int $status): void
    {
        if ($status !== 0) {
            throw $this->failure($status);
        }
    }

    /** What the engine says about the call that has just failed. */
    public function failure(int $status): LygerException
    {
        $buffer = $this->ffi->new('char[' . self::BUFFER_BYTES . ']');
        $told = $this->ffi->lyger_last_error($buffer, self::BUFFER_BYTES, $this->neededPointer);
        if ($told === Status::BufferTooSmall->value) {
            $buffer = $this->ffi->new("char[{$this->needed->cdata}]");
            $told = $this->ffi->lyger_last_error($buffer, $this->needed->cdata, $this->neededPointer);
        }
        $report = $told === 0 ? json_decode(FFI::string($buffer, $this->needed->cdata), true) : null;
        $message = is_array($report) ? (string) ($report['message'] ?? '') : '';
        return (Status::tryFrom($status) ?? Status::Panic)->exception(
            $message === '' ? "the engine gave status $status" : $message,
            $report['sqlstate'] ?? null,
            isset($report['value']) ? (string) $report['value'] : null,
        );
    }

    /** A copy of bytes that C reads as uint8_t, which PHP strings don't pass as. */
    public function bytes(string $bytes): ?CData
    {
        $length = strlen($bytes);
        if ($length === 0) {
            return null;
        }
        $copy = $this->ffi->new("uint8_t[$length]");
        FFI::memcpy($copy, $bytes, $length);
        return $copy;
    }

    /** A string that the engine issued, copied and given back. */
    public function issued(?CData $pointer): string
    {
        if ($pointer === null) {
            throw new EngineFailed('the engine gave no string');
        }
        $text = FFI::string($pointer);
        $this->ffi->lyger_free_string($pointer);
        return $text;
    }
}
