<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Core\Status;
use Lyger\Database\Form;
use Lyger\Database\Options;
use SensitiveParameter;

/**
 * A statement and its rows in one call of the engine, which keeps nothing of them. What doesn't fit into the buffer
 * stays there until a larger one has it.
 */
final class Fetch
{
    /** A page of rows. */
    private const BUFFER_BYTES = 65_536;
    /** What larger results leave behind for the next: thousands of rows, and less than PHP itself takes. */
    private const BUFFER_BYTES_MAX = 1_048_576;

    private CData $buffer;
    private int $bytes = self::BUFFER_BYTES;
    private readonly CData $needed;
    private readonly CData $neededPointer;
    private readonly CData $id;
    private readonly CData $idPointer;
    private readonly FFI $ffi;

    public function __construct(private readonly Abi $abi)
    {
        $this->ffi = $abi->ffi;
        $this->buffer = $abi->ffi->new('char[' . self::BUFFER_BYTES . ']');
        $this->needed = $abi->ffi->new('size_t');
        $this->neededPointer = FFI::addr($this->needed);
        $this->id = $abi->ffi->new('uint64_t');
        $this->idPointer = FFI::addr($this->id);
    }

    /**
     * @param string $packed the parameters
     * @return string|list<mixed> as the form says
     */
    public function rows(
        #[SensitiveParameter] string $dsn,
        string $sql,
        string $packed,
        ?Options $options,
        Form $form,
    ): string|array {
        $status = $this->ffi->lyger_db_fetch(
            $dsn,
            strlen($dsn),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
            $options?->flags() ?? 0,
            $options?->timeoutMs ?? 0,
            $form->value,
            $this->buffer,
            $this->bytes,
            $this->neededPointer,
            $this->idPointer,
        );
        return $this->given($status, $form);
    }

    /**
     * The rows of an operation that has ended.
     *
     * @return string|list<mixed> as the form says
     */
    public function ended(int $operation, Form $form): string|array
    {
        return $this->given($this->ffi->lyger_async_fetch(
            $operation,
            $form->value,
            $this->buffer,
            $this->bytes,
            $this->neededPointer,
            $this->idPointer,
        ), $form);
    }

    /**
     * The rows of a result, which is freed.
     *
     * @return string|list<mixed> as the form says
     */
    public function of(int $result, Form $form, ?CData $buffer = null): string|array
    {
        $buffer ??= $this->buffer;
        try {
            while (($status = $this->read($result, $form, $buffer)) === Status::BufferTooSmall->value) {
                $buffer = $this->buffer($this->needed->cdata);
            }
            $this->abi->check($status);
            return self::formed(FFI::string($buffer, $this->needed->cdata), $form);
        } finally {
            $this->abi->check($this->ffi->lyger_result_free($result));
        }
    }

    /** @return string|list<mixed> */
    private function given(int $status, Form $form): string|array
    {
        if ($status === 0) {
            return self::formed(FFI::string($this->buffer, $this->needed->cdata), $form);
        }
        if ($status !== Status::BufferTooSmall->value || $this->id->cdata === 0) {
            throw $this->abi->failure($status);
        }
        return $this->of($this->id->cdata, $form, $this->buffer($this->needed->cdata));
    }

    private function read(int $result, Form $form, CData $buffer): int
    {
        $arguments = [$buffer, FFI::sizeof($buffer), $this->neededPointer];
        return match ($form) {
            Form::Rows => $this->ffi->lyger_result_rows($result, ...$arguments),
            Form::FirstRow => $this->ffi->lyger_result_slice($result, 0, 1, ...$arguments),
            Form::FirstColumn => $this->ffi->lyger_result_column($result, 0, ...$arguments),
            Form::Json => $this->ffi->lyger_result_json($result, ...$arguments),
        };
    }

    /** @return string|list<mixed> */
    private static function formed(string $text, Form $form): string|array
    {
        return match ($form) {
            Form::Rows => Rows::read($text),
            Form::FirstRow, Form::FirstColumn => Rows::unserialize($text),
            Form::Json => $text,
        };
    }

    private function buffer(int $bytes): CData
    {
        if ($bytes > self::BUFFER_BYTES_MAX) {
            return $this->ffi->new("char[$bytes]");
        }
        while ($this->bytes < $bytes) {
            $this->bytes *= 2;
        }
        return $this->buffer = $this->ffi->new("char[$this->bytes]");
    }
}
