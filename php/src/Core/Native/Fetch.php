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
    /** Where the functions of results say how much they need. */
    private readonly CData $needed;
    private readonly CData $neededPointer;
    private readonly FFI $ffi;

    public function __construct(private readonly Abi $abi, private readonly Call $call)
    {
        $this->ffi = $abi->ffi;
        $this->needed = $this->ffi->new('size_t');
        $this->neededPointer = FFI::addr($this->needed);
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
        $this->call->wants($form);
        $status = $this->ffi->lyger_db_fetch(
            $this->call->of($dsn, $options),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
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
        $this->call->wants($form);
        return $this->given($this->ffi->lyger_async_fetch($this->call->address, $operation), $form);
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
                : $this->whole($result, $form, $buffer ?? $this->call->buffer);
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
        $row = $this->whole($result, Form::FirstRow, $this->call->buffer)[0];
        return count($row) === $info->columns
            ? [reset($row)]
            : $this->whole($result, Form::FirstColumn, $this->call->buffer);
    }

    /** @return string|list<mixed> as the form says */
    private function whole(int $result, Form $form, CData $buffer): string|array
    {
        while (($status = $this->read($result, $form, $buffer)) === Status::BufferTooSmall->value) {
            $buffer = $this->call->room($this->needed->cdata);
        }
        $this->abi->check($status);
        return $this->formed(FFI::string($buffer, $this->needed->cdata), $form);
    }

    /** @return string|list<mixed> */
    private function given(int $status, Form $form): string|array
    {
        if ($status === 0) {
            return $this->formed(FFI::string($this->call->buffer, $this->call->fields->needed), $form);
        }
        if ($status !== Status::BufferTooSmall->value || $this->call->fields->id === 0) {
            throw $this->abi->failure($status);
        }
        $buffer = $form === Form::FirstValue ? null : $this->call->room($this->call->fields->needed);
        return $this->of($this->call->fields->id, $form, $buffer);
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
}
