<?php

declare(strict_types=1);

use Lyger\Core\Library;
use Lyger\Core\Native\Abi;

/** The C ABI itself, without the PHP layer above it. */
final class Boundary
{
    private const BUFFER_BYTES = 65_536;

    private readonly Abi $abi;
    private readonly FFI $ffi;
    private readonly FFI\CData $id;
    private readonly FFI\CData $params;
    private readonly FFI\CData $buffer;
    private readonly FFI\CData $needed;

    public function __construct()
    {
        $this->abi = new Abi((new Library())->load());
        $this->ffi = $this->abi->ffi;
        $this->id = $this->ffi->new('uint64_t');
        $this->params = $this->ffi->new('uint8_t[64]');
        $this->buffer = $this->ffi->new('char[' . self::BUFFER_BYTES . ']');
        $this->needed = $this->ffi->new('size_t');
    }

    /** One integer bound, its row as JSON: three calls. */
    public function json(string $dsn, string $sql, int $value): string
    {
        $packed = pack('VCP', 1, 3, $value);
        FFI::memcpy($this->params, $packed, strlen($packed));
        $this->run($dsn, $sql, strlen($packed));
        $ffi = $this->ffi;
        $this->abi->check($ffi->lyger_result_json($this->id->cdata, $this->buffer, self::BUFFER_BYTES, FFI::addr($this->needed)));
        $json = FFI::string($this->buffer, $this->needed->cdata);
        $this->abi->check($ffi->lyger_result_free($this->id->cdata));
        return $json;
    }

    /** The rows as JSON that stays in the engine; $look is given the C string while it is there. */
    public function jsonInside(string $dsn, string $sql, ?Closure $look = null): void
    {
        $this->run($dsn, $sql, 0);
        $json = $this->ffi->lyger_jsonify_result($this->id->cdata) ?? throw $this->abi->failure(1);
        if ($look !== null) {
            $look($json);
        }
        $this->ffi->lyger_free_string($json);
        $this->abi->check($this->ffi->lyger_result_free($this->id->cdata));
    }

    private function run(string $dsn, string $sql, int $params): void
    {
        $this->abi->check($this->ffi->lyger_db_run(
            $dsn, strlen($dsn), $sql, strlen($sql), $this->params, $params, 0, 0, FFI::addr($this->id),
        ));
    }
}
