<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use FFI;
use FFI\CData;
use Lyger\Async\Strand;
use Lyger\Database\Form;
use Lyger\Database\Options;
use SensitiveParameter;

// What PHP knows when it compiles costs less with each statement.
use function strlen;

/**
 * How the engine runs statements, and where it leaves what came of them. A statement is mostly like the one before,
 * so only what has changed is written.
 */
final class Call
{
    /** A page of rows. */
    private const BUFFER_BYTES = 65_536;
    /** What larger results leave behind for the next: thousands of rows, and less than PHP itself takes. */
    private const BUFFER_BYTES_MAX = 1_048_576;

    /** Its address, as the functions take it. */
    public readonly CData $address;
    /** Its fields. Who keeps them prints the DSN. */
    public readonly CData $fields;
    /** Where rows are written. */
    public CData $buffer;
    private int $bytes = self::BUFFER_BYTES;
    /** The engine reads it there. */
    private CData $dsnBytes;
    private string $dsn = '';
    private ?Options $options = null;
    private Form $form = Form::Rows;
    private int $strand = 0;
    private readonly FFI $ffi;

    public function __construct(private readonly Abi $abi)
    {
        $this->ffi = $abi->ffi;
        $this->fields = $this->ffi->new('lyger_call');
        $this->address = FFI::addr($this->fields);
        $this->fields->size = FFI::sizeof($this->fields);
        $this->take($this->ffi->new('char[' . self::BUFFER_BYTES . ']'));
    }

    /** A DSN may have a password. */
    public function __debugInfo(): array
    {
        return [];
    }

    /** The address of a call like this. */
    public function of(#[SensitiveParameter] string $dsn, ?Options $options): CData
    {
        if ($dsn !== $this->dsn) {
            $this->at($dsn);
        }
        if ($options !== $this->options) {
            $this->fields->flags = $options?->flags() ?? 0;
            $this->fields->timeout_ms = $options?->timeoutMs ?? 0;
            $this->options = $options;
        }
        $strand = Strand::number();
        if ($strand !== $this->strand) {
            $this->fields->strand = $this->strand = $strand;
        }
        return $this->address;
    }

    /** What is wanted of the rows. */
    public function wants(Form $form): void
    {
        if ($form !== $this->form) {
            $this->form = $form;
            $this->fields->form = $form === Form::FirstValue ? Form::FirstColumn->value : $form->value;
            $this->fields->cap = $this->cap();
        }
    }

    /** Says to the engine who asks next, for functions that take no call. */
    public function enter(): void
    {
        $strand = Strand::number();
        if ($strand !== $this->strand) {
            $this->abi->check($this->ffi->lyger_strand_enter($strand));
            $this->fields->strand = $this->strand = $strand;
        }
    }

    /** The engine begins anew. */
    public function release(): void
    {
        $this->fields->strand = $this->strand = 0;
    }

    /** A buffer for so many bytes: a huge one is for this once. */
    public function room(int $bytes): CData
    {
        if ($bytes > self::BUFFER_BYTES_MAX) {
            return $this->ffi->new("char[$bytes]");
        }
        while ($this->bytes < $bytes) {
            $this->bytes *= 2;
        }
        return $this->take($this->ffi->new("char[$this->bytes]"));
    }

    private function take(CData $buffer): CData
    {
        $this->fields->buf = $this->ffi->cast('char *', $buffer);
        $this->fields->cap = $this->cap();
        return $this->buffer = $buffer;
    }

    /** Of one value no more is asked for: what its column has behind it is of no use. */
    private function cap(): int
    {
        return $this->form === Form::FirstValue ? self::BUFFER_BYTES : $this->bytes;
    }

    private function at(#[SensitiveParameter] string $dsn): void
    {
        $bytes = strlen($dsn);
        $copy = $this->ffi->new('char[' . ($bytes + 1) . ']'); // with a NUL, for whoever prints the fields
        FFI::memcpy($copy, $dsn, $bytes);
        $this->fields->dsn = $this->ffi->cast('char *', $copy);
        $this->fields->dsn_len = $bytes;
        [$this->dsnBytes, $this->dsn] = [$copy, $dsn]; // the former one is freed now, when nothing points to it
    }
}
