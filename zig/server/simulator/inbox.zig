//! What a simulated client has read and not looked at yet, at its own pace, and how long it read nothing.

const std = @import("std");
const Connection = @import("../io/simulated.zig").Connection;
const Window = @import("../io/simulated/network.zig").Window;

pub const Inbox = struct {
    memory: []u8,
    len: usize = 0,
    /// When it reads next.
    read_ns: u64 = 0,
    last_read_ns: u64 = 0,
    /// The longest time it did not read.
    unread_ns_max: u64 = 0,
    /// When it last had all that had come. One that reads a little now and then stays behind for longer than it reads nothing.
    caught_up_ns: u64 = 0,

    pub fn begin(inbox: *Inbox, now_ns: u64) void {
        inbox.* = .{ .memory = inbox.memory, .read_ns = now_ns, .last_read_ns = now_ns, .caught_up_ns = now_ns };
    }

    pub fn bytes(inbox: *const Inbox) []u8 {
        return inbox.memory[0..inbox.len];
    }

    /// Asked in every turn. What a reset destroys stays unread.
    pub fn look(inbox: *Inbox, connection: *const Connection, now_ns: u64) void {
        if (connection.to_client.len == 0) inbox.caught_up_ns = now_ns;
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

test "one that reads a little now and then is behind until it had all" {
    var windows: [2]Window = undefined;
    var connection: Connection = .init(&windows);
    connection.reset(false);
    var memory: [8]u8 = undefined;
    var inbox: Inbox = .{ .memory = &memory };
    inbox.begin(0);
    _ = connection.to_client.write("abc");
    for ([_]u64{ 10, 20, 30 }, [_]u64{ 0, 0, 30 }) |now_ns, caught_up_ns| {
        try std.testing.expect(inbox.isDue(now_ns));
        _ = connection.clientRead(memory[0..1]);
        inbox.look(&connection, now_ns);
        try std.testing.expectEqual(caught_up_ns, inbox.caught_up_ns);
    }
    try std.testing.expectEqual(@as(u64, 10), inbox.unread_ns_max);
}
