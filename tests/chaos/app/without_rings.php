<?php

// As auto_prepend_file: the system denies io_uring to this process and its children, as the seccomp filters of containers do.

declare(strict_types=1);

(static function (): void {
    $libc = FFI::cdef('
        typedef struct { uint16_t code; uint8_t if_true; uint8_t if_false; uint32_t operand; } instruction;
        typedef struct { uint16_t length; instruction *instructions; } program;
        int prctl(int option, unsigned long second, program *third, unsigned long fourth, unsigned long fifth);
    ');
    $instructions = $libc->new('instruction[4]');
    $words = [
        [0x20, 0, 0, 0], // the system call's number
        [0x15, 0, 1, 425], // io_uring_setup, on every architecture
        [0x06, 0, 0, 0x0005_0001], // EPERM
        [0x06, 0, 0, 0x7fff_0000], // allowed
    ];
    foreach ($words as $place => [$code, $ifTrue, $ifFalse, $operand]) {
        $instruction = $instructions[$place];
        $instruction->code = $code;
        $instruction->if_true = $ifTrue;
        $instruction->if_false = $ifFalse;
        $instruction->operand = $operand;
    }
    $program = $libc->new('program');
    $program->length = count($words);
    $program->instructions = $libc->cast('instruction *', FFI::addr($instructions));
    // PR_SET_NO_NEW_PRIVS, without which only root may do the next, and PR_SET_SECCOMP with SECCOMP_MODE_FILTER.
    if ($libc->prctl(38, 1, null, 0, 0) !== 0 || $libc->prctl(22, 2, FFI::addr($program), 0, 0) !== 0) {
        throw new RuntimeException('the filter is refused');
    }
})();
