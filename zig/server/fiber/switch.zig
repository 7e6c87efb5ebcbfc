//! From one stack to another: the registers that a called function has to keep are pushed, the stack pointer is stored, and
//! the other stack's are popped. All other registers the compiler saves itself around what is an ordinary call to it.
//!
//! Nothing here moves between threads, so addresses of thread-local variables stay right over a switch.

const std = @import("std");
const builtin = @import("builtin");

pub const is_supported = switch (builtin.cpu.arch) {
    .x86_64, .aarch64 => true,
    else => false,
};

/// Where a stack that is not running goes on; everything else lies on that stack.
pub const StackPointer = usize;

/// Both architectures' calls want it.
pub const stack_align = 16;

/// Goes on at `to`. Returns when somebody goes on at what was written to `from`.
pub inline fn switchTo(from: *StackPointer, to: StackPointer) void {
    // A naked function can't be called as what it is.
    const call: *const fn (*StackPointer, StackPointer) callconv(.c) void = @ptrCast(&exchange);
    call(from, to);
}

/// The first thing that runs on a stack. There is nothing that it could return to.
pub const Entry = *const fn () callconv(.c) noreturn;

/// Lays down what `switchTo` pops, so that it begins with `entry`. Backtraces end there: its frame pointer and the address
/// it would return to are 0.
pub fn prepare(stack: []align(stack_align) u8, entry: Entry) StackPointer {
    const top = @intFromPtr(stack.ptr) + stack.len;
    std.debug.assert(top % stack_align == 0);
    const pointer = top - @sizeOf(Frame);
    const frame: *Frame = @ptrFromInt(pointer);
    frame.* = .{ .entry = @intFromPtr(entry) };
    return pointer;
}

/// What `exchange` pushes, from the lowest address.
const Frame = switch (builtin.cpu.arch) {
    .x86_64 => extern struct {
        /// Rounding and exceptions: a called function keeps them, too. As they are when a process starts.
        mxcsr: u32 = 0x1f80,
        x87_control: u32 = 0x037f,
        registers: [6]usize = @splat(0),
        entry: usize,
        /// Where a call would have pushed the address to return to: the alignment of 16 is one behind it.
        return_address: usize = 0,
    },
    .aarch64 => extern struct {
        entry: usize,
        fpcr: usize = 0,
        frame_pointer: usize = 0,
        link: usize = 0,
        /// x19 to x28, d8 to d15.
        registers: [18]usize = @splat(0),
    },
    else => @compileError("fibers are there for x86-64 and aarch64: " ++ @tagName(builtin.cpu.arch)),
};

fn exchange() callconv(.naked) void {
    switch (builtin.cpu.arch) {
        .x86_64 => asm volatile (
            \\ pushq %%rbp
            \\ pushq %%rbx
            \\ pushq %%r12
            \\ pushq %%r13
            \\ pushq %%r14
            \\ pushq %%r15
            \\ subq $8, %%rsp
            \\ stmxcsr (%%rsp)
            \\ fnstcw 4(%%rsp)
            \\ movq %%rsp, (%%rdi)
            \\ movq %%rsi, %%rsp
            \\ ldmxcsr (%%rsp)
            \\ fldcw 4(%%rsp)
            \\ addq $8, %%rsp
            \\ popq %%r15
            \\ popq %%r14
            \\ popq %%r13
            \\ popq %%r12
            \\ popq %%rbx
            \\ popq %%rbp
            \\ retq
        ),
        .aarch64 => asm volatile (
            \\ mrs x9, fpcr
            \\ sub sp, sp, #176
            \\ stp x30, x9, [sp]
            \\ stp x29, x30, [sp, #16]
            \\ stp x19, x20, [sp, #32]
            \\ stp x21, x22, [sp, #48]
            \\ stp x23, x24, [sp, #64]
            \\ stp x25, x26, [sp, #80]
            \\ stp x27, x28, [sp, #96]
            \\ stp d8, d9, [sp, #112]
            \\ stp d10, d11, [sp, #128]
            \\ stp d12, d13, [sp, #144]
            \\ stp d14, d15, [sp, #160]
            \\ mov x9, sp
            \\ str x9, [x0]
            \\ mov sp, x1
            \\ ldp x10, x9, [sp]
            \\ msr fpcr, x9
            \\ ldp x29, x30, [sp, #16]
            \\ ldp x19, x20, [sp, #32]
            \\ ldp x21, x22, [sp, #48]
            \\ ldp x23, x24, [sp, #64]
            \\ ldp x25, x26, [sp, #80]
            \\ ldp x27, x28, [sp, #96]
            \\ ldp d8, d9, [sp, #112]
            \\ ldp d10, d11, [sp, #128]
            \\ ldp d12, d13, [sp, #144]
            \\ ldp d14, d15, [sp, #160]
            \\ add sp, sp, #176
            \\ ret x10
        ),
        else => comptime unreachable,
    }
}

comptime {
    if (builtin.cpu.arch == .aarch64) std.debug.assert(@sizeOf(Frame) == 176);
}
