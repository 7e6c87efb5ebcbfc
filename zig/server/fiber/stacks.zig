//! The stacks of fibers: all reserved at the start, each with a guard below it that nobody may touch. What a fiber pushes
//! beyond its stack ends the process instead of writing over its neighbour's frames.
//!
//! A stack that nobody used yet is not backed by memory; one that was used keeps the pages it touched.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const stack_align = @import("switch.zig").stack_align;

/// Below each stack. More than a page, because a function compiled without stack probes (ReleaseFast, C) may reach as far
/// as its frame is long before it touches anything in between. Also the largest page of any kernel on aarch64.
pub const guard_bytes = 64 * 1024;

/// On top of what a stack is to have, in builds that check: a panic reads the debug information and prints its trace on the stack
/// of whoever panics. It took between 80 and 112 KB in Debug; untouched memory costs nothing.
pub const panic_bytes = if (std.debug.runtime_safety) 256 * 1024 else 0;

/// Two areas of memory for each stack, of which a process has 65,530 (vm.max_map_count).
pub const count_max = 16 * 1024;

pub const Stacks = struct {
    memory: []align(std.heap.page_size_min) u8,
    stack_bytes: usize,

    pub const Error = error{OutOfMemory};

    /// `stack_bytes` is rounded up to whole pages.
    pub fn init(count: u32, stack_bytes: usize) Error!Stacks {
        assert(count <= count_max);
        if (count == 0) return .{ .memory = &.{}, .stack_bytes = 0 };
        const usable = std.mem.alignForward(usize, @max(stack_bytes, 1), std.heap.pageSize());
        const rc = linux.mmap(
            null,
            count * (guard_bytes + usable),
            .{},
            .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true, .STACK = true },
            -1,
            0,
        );
        if (linux.errno(rc) != .SUCCESS) return error.OutOfMemory;
        const memory: [*]align(std.heap.page_size_min) u8 = @ptrFromInt(rc);
        const stacks: Stacks = .{ .memory = memory[0 .. count * (guard_bytes + usable)], .stack_bytes = usable };
        errdefer stacks.unmap();
        for (0..count) |index| {
            const stack = stacks.get(@intCast(index));
            const protected = linux.mprotect(stack.ptr, stack.len, .{ .READ = true, .WRITE = true });
            if (linux.errno(protected) != .SUCCESS) return error.OutOfMemory;
        }
        return stacks;
    }

    pub fn deinit(stacks: *Stacks) void {
        stacks.unmap();
        stacks.* = undefined;
    }

    fn unmap(stacks: *const Stacks) void {
        if (stacks.memory.len == 0) return;
        const rc = linux.munmap(stacks.memory.ptr, stacks.memory.len);
        assert(linux.errno(rc) == .SUCCESS);
    }

    pub fn get(stacks: *const Stacks, index: u32) []align(stack_align) u8 {
        const start = index * (guard_bytes + stacks.stack_bytes) + guard_bytes;
        return @alignCast(stacks.memory[start..][0..stacks.stack_bytes]);
    }
};

test "stacks are apart, and all of their bytes are theirs" {
    var stacks: Stacks = try .init(3, 10_000);
    defer stacks.deinit();
    try std.testing.expect(stacks.get(0).len >= 10_000);
    for (0..3) |index| @memset(stacks.get(@intCast(index)), @intCast(index + 1));
    for (0..3) |index| {
        const stack = stacks.get(@intCast(index));
        try std.testing.expectEqual(@as(u8, @intCast(index + 1)), stack[0]);
        try std.testing.expectEqual(@as(u8, @intCast(index + 1)), stack[stack.len - 1]);
        if (index > 0) {
            const before = stacks.get(@intCast(index - 1));
            try std.testing.expectEqual(@as(usize, guard_bytes), @intFromPtr(stack.ptr) - @intFromPtr(before.ptr) - before.len);
        }
    }
}

test "a server without fibers reserves no stack" {
    var stacks: Stacks = try .init(0, 64 * 1024);
    defer stacks.deinit();
    try std.testing.expectEqual(@as(usize, 0), stacks.memory.len);
}
