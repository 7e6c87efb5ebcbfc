//! What a simulated client has read and not looked at yet, at its own pace, and how long it read nothing.

const std = @import("std");
const Connection = @import("../io/simulated.zig").Connection;

pub const Inbox = struct {
    memory: []u8,
    len: usize = 0,
    /// When it reads next.
    read_ns: u64 = 0,
    last_read_ns: u64 = 0,
    /// The longest time it did not read.
    unread_ns_max: u64 = 0,

    pub fn begin(inbox: *Inbox, now_ns: u64) void {
        inbox.* = .{ .memory = inbox.memory, .read_ns = now_ns, .last_read_ns = now_ns };
    }

    pub fn bytes(inbox: *const Inbox) []u8 {
        return inbox.memory[0..inbox.len];
    }

    /// Whether it reads now, if there is anything.
    pub fn isDue(inbox: *Inbox, now_ns: u64) bool {
        if (now_ns < inbox.read_ns) return false;
        inbox.unread_ns_max = @max(inbox.unread_ns_max, now_ns - inbox.last_read_ns);
        inbox.last_read_ns = now_ns;
        return true;
    }

    pub fn read(inbox: *Inbox, connection: *Connection, random: std.Random, now_ns: u64, is_lazy: bool) error{TooMuch}!Connection.Read {
        inbox.read_ns = now_ns + 1 + pause(random, is_lazy);
        const room = inbox.memory[inbox.len..];
        if (room.len == 0) return error.TooMuch;
        const what = connection.clientRead(room[0..if (is_lazy) @min(room.len, 1 + random.uintLessThan(usize, 4000)) else room.len]);
        if (what == .bytes) inbox.len += what.bytes;
        return what;
    }

    pub fn drop(inbox: *Inbox, len: usize) void {
        @memmove(inbox.memory[0 .. inbox.len - len], inbox.memory[len..inbox.len]);
        inbox.len -= len;
    }
};

/// Between two things that a client does.
pub fn pause(random: std.Random, is_slow: bool) u64 {
    const ms = std.time.ns_per_ms;
    return switch (random.uintLessThan(u8, 100)) {
        0...59 => 0,
        60...84 => random.uintLessThan(u64, 2 * ms),
        85...96 => random.uintLessThan(u64, 30 * ms),
        else => if (is_slow) random.uintLessThan(u64, 1500 * ms) else random.uintLessThan(u64, 100 * ms),
    };
}
