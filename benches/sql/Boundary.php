<?php

declare(strict_types=1);

use Lyger\Core\Library;
use Lyger\Core\Native\Abi;

/** The C ABI itself, without the PHP layer above it. */
final class Boundary
{
    private const BUFFER_BYTES = 65_536;
    private const FORM_JSON = 3;

    private readonly Abi $abi;
    private readonly FFI $ffi;
    private readonly FFI\CData $id;
    private readonly FFI\CData $buffer;
    private readonly FFI\CData $needed;
    private readonly FFI\CData $idPointer;
    private readonly FFI\CData $neededPointer;

    public function __construct()
    {
        $this->abi = new Abi((new Library())->load());
        $this->ffi = $this->abi->ffi;
        $this->id = $this->ffi->new('uint64_t');
        $this->buffer = $this->ffi->new('char[' . self::BUFFER_BYTES . ']');
        $this->needed = $this->ffi->new('size_t');
        $this->idPointer = FFI::addr($this->id);
        $this->neededPointer = FFI::addr($this->needed);
    }

    /** One integer bound, its row as JSON: one call. */
    public function json(string $dsn, string $sql, int $value): string
    {
        $packed = pack('VCP', 1, 3, $value);
        $status = $this->ffi->lyger_db_fetch(
            $dsn,
            strlen($dsn),
            $sql,
            strlen($sql),
            $packed,
            strlen($packed),
            0,
            0,
            self::FORM_JSON,
            $this->buffer,
            self::BUFFER_BYTES,
            $this->neededPointer,
            $this->idPointer,
        );
        if ($status !== 0) {
            throw $this->abi->failure($status);
        }
        return FFI::string($this->buffer, $this->needed->cdata);
    }

    /** The rows as JSON that stays in the engine; $look is given the C string while it is there. */
    public function jsonInside(string $dsn, string $sql, ?Closure $look = null): void
    {
        $ffi = $this->ffi;
        $this->abi->check($ffi->lyger_db_run($dsn, strlen($dsn), $sql, strlen($sql), null, 0, 0, 0, $this->idPointer));
        $json = $this->ffi->lyger_jsonify_result($this->id->cdata) ?? throw $this->abi->failure(1);
        if ($look !== null) {
            $look($json);
        }
        $this->ffi->lyger_free_string($json);
        $this->abi->check($this->ffi->lyger_result_free($this->id->cdata));
    }
}
