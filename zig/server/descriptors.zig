//! The process's limit of descriptors, which bounds a ring's table of them, and so the connections: it is raised as far as they
//! need, as far as this user may.

const std = @import("std");
const linux = std.os.linux;
const Config = @import("config.zig").Config;

/// What a table may have at most (IORING_MAX_FIXED_FILES), whatever the limit is.
pub const table_max = 1 << 20;

/// Entries of the ring's table beside the connections: where more than the backlog holds arrive at once, some wait here for
/// being closed.
const spare = 256;

/// What the ring's table takes. The last of as many connections as a table has entries wait in the backlog.
pub fn tableLen(connections: u32, outgoing_max: u32) u32 {
    return @min(connections + spare + outgoing_max, table_max);
}

pub const Error = error{
    /// The hard limit is below what the slots take (`ulimit -Hn`, systemd's LimitNOFILE, Docker's --ulimit nofile).
    DescriptorLimitTooLow,
};

pub const Limit = struct { soft: u64, hard: u64 };

pub fn limit() Limit {
    var pair: linux.rlimit = undefined;
    const rc = linux.getrlimit(.NOFILE, &pair);
    std.debug.assert(linux.errno(rc) == .SUCCESS);
    return .{ .soft = pair.cur, .hard = pair.max };
}

/// Only the soft one. What was open stays open.
pub fn setSoft(soft: u64) void {
    const rc = linux.setrlimit(.NOFILE, &.{ .cur = soft, .max = limit().hard });
    std.debug.assert(linux.errno(rc) == .SUCCESS);
}

/// Raises the soft limit to what the config's slots take; without a number of slots to what is allowed. Says how many there are.
pub fn secure(comptime IO: type, config: *const Config) Error!void {
    const before = limit();
    const wanted = if (config.slots == 0) table_max else IO.tableLen(config.slots, config.outgoing_max);
    if (before.soft < wanted and before.soft < before.hard) setSoft(@min(wanted, before.hard));
    const allowed = limit().soft;
    const slots = config.slotCount();
    const taken = IO.tableLen(slots, config.outgoing_max);
    const log = std.log.scoped(.server);
    if (allowed < taken) {
        log.warn("{d} connections at once take a limit of {d} descriptors, and {d} are allowed", .{ slots, taken, allowed });
        return error.DescriptorLimitTooLow;
    }
    log.info("{d} connections at once; {d} descriptors are allowed, {d} were before", .{ slots, allowed, before.soft });
}

const Served = @import("testing/served.zig").Served;
const small = @import("testing/served.zig").small;

test "by default as many connections are served as the hard limit allows, and slots that are asked for raise the soft one" {
    const before = limit();
    defer setSoft(before.soft);
    if (before.hard < 8192) {
        std.debug.print("skipped: runs where `ulimit -Hn` is 8192 or more\n", .{});
        return error.SkipZigTest;
    }
    var config = small;
    inline for (.{ 0, 4000 }) |asked| {
        setSoft(1024);
        config.slots = asked;
        const served: *Served = try .create(config, null);
        defer std.testing.allocator.destroy(served);
        defer served.server.deinit();
        const expected = if (asked > 0) asked else @min(before.hard, table_max) - 512 - config.outgoing_max;
        try std.testing.expectEqual(expected, served.server.core.slots.capacity());
        const soft = if (asked > 0) 4000 + 256 + @as(u64, config.outgoing_max) else @min(before.hard, table_max);
        try std.testing.expectEqual(soft, limit().soft);
        try std.testing.expectEqual(before.hard, limit().hard);
    }
}

test "more slots than the limit of descriptors allows have an error of their own" {
    const before = limit();
    defer setSoft(before.soft);
    var config = small;
    // The seed's. Where the limit allows them, they are served.
    config.slots = 1 << 20;
    if (Served.create(config, null)) |served| {
        defer std.testing.allocator.destroy(served);
        defer served.server.deinit();
        try std.testing.expect(before.hard >= table_max);
        try std.testing.expectEqual(@as(u32, 1 << 20), served.server.core.slots.capacity());
    } else |err| {
        if (err == error.SkipZigTest) return err; // who serves has said when it runs
        try std.testing.expectEqual(error.DescriptorLimitTooLow, err);
        try std.testing.expect(before.hard < table_max);
    }
}
