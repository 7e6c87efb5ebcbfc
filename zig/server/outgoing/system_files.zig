//! The system's small files, read whole at the start.

const std = @import("std");
const linux = std.os.linux;

pub const Source = union(enum) {
    path: [*:0]const u8,
    /// The file's text itself.
    text: []const u8,
};

/// The longest file. A hosts file beyond it is somebody's list of advertisers, which is too long to be searched for each name.
pub const bytes_max = 256 * 1024;

/// Empty where there is no such file, as libc has it.
pub fn read(allocator: std.mem.Allocator, source: Source) error{ OutOfMemory, FileTooLong, FileUnreadable }![]u8 {
    const path = switch (source) {
        .text => |text| return allocator.dupe(u8, text),
        .path => |path| path,
    };
    const opened = linux.open(path, .{ .CLOEXEC = true }, 0);
    switch (linux.errno(opened)) {
        .SUCCESS => {},
        .NOENT, .NOTDIR => return allocator.alloc(u8, 0),
        else => return error.FileUnreadable,
    }
    const fd: linux.fd_t = @intCast(opened);
    defer _ = linux.close(fd);
    const buffer = try allocator.alloc(u8, bytes_max + 1);
    defer allocator.free(buffer);
    var len: usize = 0;
    while (len < buffer.len) {
        const rc = linux.read(fd, buffer[len..].ptr, buffer.len - len);
        switch (linux.errno(rc)) {
            .SUCCESS => {},
            .INTR => continue,
            else => return error.FileUnreadable,
        }
        if (rc == 0) return allocator.dupe(u8, buffer[0..len]);
        len += rc;
    }
    return error.FileTooLong;
}

test "a file is read whole, and one that isn't there is empty" {
    const text = try read(std.testing.allocator, .{ .path = "/proc/self/comm" });
    defer std.testing.allocator.free(text);
    try std.testing.expect(text.len > 1);
    const none = try read(std.testing.allocator, .{ .path = "/nowhere/hosts" });
    defer std.testing.allocator.free(none);
    try std.testing.expectEqual(@as(usize, 0), none.len);
    try std.testing.expectError(error.FileTooLong, read(std.testing.allocator, .{ .path = "/dev/zero" }));
    try std.testing.expectError(error.FileUnreadable, read(std.testing.allocator, .{ .path = "/proc/self/mem" }));
}
