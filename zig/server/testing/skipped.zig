//! Why a test doesn't run here.

const std = @import("std");

/// As what it has to return: `return skipped.forWantOfRing()`.
pub fn forWantOfRing() error{SkipZigTest} {
    std.debug.print("skipped: runs where a process may have an io_uring of Linux 6.0 or later\n", .{});
    return error.SkipZigTest;
}
