<?php

declare(strict_types=1);

namespace Lyger\Core\Native;

use Closure;
use FFI;
use FFI\CData;
use Lyger\Cache\Sessions;
use SensitiveParameter;

/**
 * The sessions of the engine's cache, or of one that it has opened. It borrows the cache's buffer.
 */
final class SessionTable implements Sessions
{
    private readonly FFI $ffi;
    private readonly CData $token;
    private readonly CData $tokenPointer;
    private readonly CData $flag;
    private readonly CData $flagPointer;

    /** @param Closure(int): ?string $output what a call has written, by its status */
    public function __construct(
        private readonly Abi $abi,
        private readonly int $store,
        private readonly CData $buffer,
        private readonly int $bufferBytes,
        private readonly CData $neededPointer,
        private readonly Closure $output,
    ) {
        $this->ffi = $abi->ffi;
        [$this->token, $this->flag] = [$this->ffi->new('uint64_t'), $this->ffi->new('uint8_t')];
        [$this->tokenPointer, $this->flagPointer] = [FFI::addr($this->token), FFI::addr($this->flag)];
    }

    public function open(#[SensitiveParameter] string $id, int $ttlMs): ?int
    {
        $this->abi->check(
            $this->ffi->lyger_session_open($this->store, $id, \strlen($id), $ttlMs, $this->tokenPointer)
        );
        return $this->token->cdata ?: null;
    }

    public function close(#[SensitiveParameter] string $id, int $token): bool
    {
        $this->abi->check(
            $this->ffi->lyger_session_close($this->store, $id, \strlen($id), $token, $this->flagPointer)
        );
        return $this->flag->cdata === 1;
    }

    public function read(#[SensitiveParameter] string $id): ?string
    {
        [$buffer, $room, $needed] = [$this->buffer, $this->bufferBytes, $this->neededPointer];
        return ($this->output)(
            $this->ffi->lyger_session_read($this->store, $id, \strlen($id), $buffer, $room, $needed)
        );
    }

    public function write(
        #[SensitiveParameter] string $id,
        int $token,
        #[SensitiveParameter] string $data,
        int $ttlMs,
    ): bool {
        $this->abi->check($this->ffi->lyger_session_write(
            $this->store,
            $id,
            \strlen($id),
            $token,
            $data,
            \strlen($data),
            $ttlMs,
            $this->flagPointer,
        ));
        return $this->flag->cdata === 1;
    }

    public function touch(#[SensitiveParameter] string $id, int $ttlMs): bool
    {
        $this->abi->check(
            $this->ffi->lyger_session_touch($this->store, $id, \strlen($id), $ttlMs, $this->flagPointer)
        );
        return $this->flag->cdata === 1;
    }

    public function destroy(#[SensitiveParameter] string $id): bool
    {
        $this->abi->check($this->ffi->lyger_session_destroy($this->store, $id, \strlen($id), $this->flagPointer));
        return $this->flag->cdata === 1;
    }
}
