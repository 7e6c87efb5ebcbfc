<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Core\Status;
use Lyger\Database\Form;
use Lyger\Database\Options;
use SensitiveParameter;

// What PHP knows when it compiles costs less with each statement.
use function count;
use function reset;
use function strlen;

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
        $isValue = $form === Form::FirstValue;
        $status = $this->ffi->lyger_db_fetch(
            $dsn,
            strlen($dsn),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
            $options?->flags() ?? 0,
            $options?->timeoutMs ?? 0,
            $isValue ? Form::FirstColumn->value : $form->value,
            $this->buffer,
            $isValue ? self::BUFFER_BYTES : $this->bytes,
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
        $isValue = $form === Form::FirstValue;
        return $this->given($this->ffi->lyger_async_fetch(
            $operation,
            $isValue ? Form::FirstColumn->value : $form->value,
            $this->buffer,
            $isValue ? self::BUFFER_BYTES : $this->bytes,
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
        try {
            return $form === Form::FirstValue
                ? $this->firstValue($result)
                : $this->whole($result, $form, $buffer ?? $this->buffer);
        } finally {
            $this->abi->check($this->ffi->lyger_result_free($result));
        }
    }

    /**
     * Of a long column: its first row has the first value too, unless columns of one name have left only the last.
     *
     * @return list<mixed>
     */
    private function firstValue(int $result): array
    {
        $info = $this->ffi->new('lyger_result_info');
        $this->abi->check($this->ffi->lyger_result_describe($result, FFI::addr($info)));
        $row = $this->whole($result, Form::FirstRow, $this->buffer)[0];
        return count($row) === $info->columns
            ? [reset($row)]
            : $this->whole($result, Form::FirstColumn, $this->buffer);
    }

    /** @return string|list<mixed> as the form says */
    private function whole(int $result, Form $form, CData $buffer): string|array
    {
        while (($status = $this->read($result, $form, $buffer)) === Status::BufferTooSmall->value) {
            $buffer = $this->buffer($this->needed->cdata);
        }
        $this->abi->check($status);
        return $this->formed(FFI::string($buffer, $this->needed->cdata), $form);
    }

    /** @return string|list<mixed> */
    private function given(int $status, Form $form): string|array
    {
        if ($status === 0) {
            return $this->formed(FFI::string($this->buffer, $this->needed->cdata), $form);
        }
        if ($status !== Status::BufferTooSmall->value || $this->id->cdata === 0) {
            throw $this->abi->failure($status);
        }
        $buffer = $form === Form::FirstValue ? null : $this->buffer($this->needed->cdata);
        return $this->of($this->id->cdata, $form, $buffer);
    }

    private function read(int $result, Form $form, CData $buffer): int
    {
        $arguments = [$buffer, FFI::sizeof($buffer), $this->neededPointer];
        return match ($form) {
            Form::Rows => $this->ffi->lyger_result_rows($result, ...$arguments),
            Form::FirstRow => $this->ffi->lyger_result_slice($result, 0, 1, ...$arguments),
            Form::FirstColumn, Form::FirstValue => $this->ffi->lyger_result_column($result, 0, ...$arguments),
            Form::Json => $this->ffi->lyger_result_json($result, ...$arguments),
        };
    }

    /** @return string|list<mixed> */
    private function formed(string $text, Form $form): string|array
    {
        return match ($form) {
            Form::Rows => $this->allRows($text),
            Form::FirstRow, Form::FirstColumn, Form::FirstValue => Rows::unserialize($text),
            Form::Json => $text,
        };
    }

    /** @return list<array<string, mixed>> */
    private function allRows(string $text): array
    {
        if ($text[0] !== 'c') {
            return Rows::unserialize($text);
        }
        LastRows::forget(); // before there are others beside them
        $rows = Rows::read($text);
        LastRows::keep($rows, $text, $this->ffi);
        return $rows;
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
