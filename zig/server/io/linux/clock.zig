//! The kernel's clocks.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;

/// Of a clock that never goes back.
pub fn milliseconds() u64 {
    const time = read(.MONOTONIC);
    return @as(u64, @intCast(time.sec)) * std.time.ms_per_s + @as(u64, @intCast(time.nsec)) / std.time.ns_per_ms;
}

/// Since 1970.
pub fn seconds() u64 {
    return @intCast(read(.REALTIME).sec);
}

fn read(id: linux.clockid_t) linux.timespec {
    var time: linux.timespec = undefined;
    const rc = linux.clock_gettime(id, &time);
    assert(linux.errno(rc) == .SUCCESS);
    return time;
}
