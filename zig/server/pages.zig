//! Memory straight from the kernel, in whole pages that are zero and cost nothing until they are touched. All large
//! tables of the server lie in it: what is reserved for a million connections is paid for by those that come.

const std = @import("std");
const linux = std.os.linux;

/// Zeroed. Zig's allocators would fill it with a pattern in safe builds, and so touch it.
pub fn reserve(comptime T: type, count: usize) error{OutOfMemory}![]T {
    comptime std.debug.assert(@alignOf(T) <= std.heap.page_size_min);
    const bytes = std.math.mul(usize, @sizeOf(T), count) catch return error.OutOfMemory;
    const rc = linux.mmap(
        null,
        @max(bytes, 1),
        .{ .READ = true, .WRITE = true },
        .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true },
        -1,
        0,
    );
    if (linux.errno(rc) != .SUCCESS) return error.OutOfMemory;
    return @as([*]T, @ptrFromInt(rc))[0..count];
}

pub fn release(comptime T: type, memory: []T) void {
    const rc = linux.munmap(@ptrCast(memory.ptr), @max(@sizeOf(T) * memory.len, 1));
    std.debug.assert(linux.errno(rc) == .SUCCESS);
}

test "reserved memory is zero" {
    const memory = try reserve(u64, 100_000);
    defer release(u64, memory);
    try std.testing.expectEqual(@as(u64, 0), memory[0]);
    memory[99_999] = 1;
}
