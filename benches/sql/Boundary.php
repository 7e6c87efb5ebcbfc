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
    private readonly FFI\CData $buffer;
    private readonly FFI\CData $call;
    private readonly FFI\CData $address;
    /** What the call points to. */
    private FFI\CData $bytes;
    private string $dsn = '';

    public function __construct()
    {
        $this->abi = new Abi((new Library())->load());
        $this->ffi = $this->abi->ffi;
        $this->buffer = $this->ffi->new('char[' . self::BUFFER_BYTES . ']');
        $this->call = $this->ffi->new('lyger_call');
        $this->address = FFI::addr($this->call);
        $this->call->size = FFI::sizeof($this->call);
        $this->call->form = self::FORM_JSON;
        $this->call->buf = $this->ffi->cast('char *', $this->buffer);
        $this->call->cap = self::BUFFER_BYTES;
    }

    /** One integer bound, its row as JSON: one call. */
    public function json(string $dsn, string $sql, int $value): string
    {
        $packed = pack('VCP', 1, 3, $value);
        $status = $this->ffi->lyger_db_fetch($this->at($dsn), $sql, strlen($sql), $packed, strlen($packed));
        if ($status !== 0) {
            throw $this->abi->failure($status);
        }
        return FFI::string($this->buffer, $this->call->needed);
    }

    /** The rows as JSON that stays in the engine; $look is given the C string while it is there. */
    public function jsonInside(string $dsn, string $sql, ?Closure $look = null): void
    {
        $this->abi->check($this->ffi->lyger_db_run($this->at($dsn), $sql, strlen($sql), null, 0));
        $id = $this->call->id;
        $json = $this->ffi->lyger_jsonify_result($id) ?? throw $this->abi->failure(1);
        if ($look !== null) {
            $look($json);
        }
        $this->ffi->lyger_free_string($json);
        $this->abi->check($this->ffi->lyger_result_free($id));
    }

    private function at(string $dsn): FFI\CData
    {
        if ($dsn !== $this->dsn) {
            $length = strlen($dsn);
            $bytes = $this->ffi->new("char[$length]");
            FFI::memcpy($bytes, $dsn, $length);
            $this->call->dsn = $this->ffi->cast('char *', $bytes);
            $this->call->dsn_len = $length;
            [$this->bytes, $this->dsn] = [$bytes, $dsn];
        }
        return $this->address;
    }
}
