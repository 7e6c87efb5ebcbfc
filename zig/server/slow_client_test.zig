//! How long a client may take none of what it is sent, with the buffers of a real kernel.

const std = @import("std");
const linux = std.os.linux;
const sws = @import("root.zig");
const Client = @import("testing/client.zig").Client;
const Context = sws.Context;
const Served = @import("testing/served.zig").Served;
const small = @import("testing/served.zig").small;

/// More than the kernel takes at once.
const body: [16 << 20]u8 = @splat('x');

fn large(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.respondOwned(200, null, &body, null, null);
}

test "a client that reads slowly gets all of it, and one that reads nothing is closed" {
    var config = small;
    config.write_timeout_ms = 1000;
    const served: *Served = try .create(config, null);
    const server = &served.server;
    server.GET("/large", large);
    try served.start();
    var client: Client = try .connect(server.port());
    defer client.close();
    // The window of who reads slowly stays small.
    const window: c_int = 64 * 1024;
    _ = linux.setsockopt(client.fd, linux.SOL.SOCKET, linux.SO.RCVBUF, std.mem.asBytes(&window), @sizeOf(c_int));
    try client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 200), (try client.receiveHead()).status);
    // 300 KB/s for four times as long as nothing may be taken: less than the kernel wakes a send for.
    var rest: []const u8 = &body;
    for (0..80) |_| {
        try client.expectBytes(rest[0 .. 15 * 1024]);
        rest = rest[15 * 1024 ..];
        const pause: linux.timespec = .{ .sec = 0, .nsec = 50 * std.time.ns_per_ms };
        _ = linux.nanosleep(&pause, null);
    }
    try client.expectBytes(rest);
    try std.testing.expectEqual(@as(u64, 0), server.core.stats.timed_out);

    try client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    for (0..2000) |_| {
        if (@atomicLoad(u64, &server.core.stats.timed_out, .monotonic) > 0) break;
        const pause: linux.timespec = .{ .sec = 0, .nsec = 10 * std.time.ns_per_ms };
        _ = linux.nanosleep(&pause, null);
    } else return error.NotClosed;
    _ = try client.receiveHead();
    try std.testing.expectError(error.EndOfStream, client.expectBytes(&body));
    try served.finish();
}

test "who has more unacknowledged than at the last look has made room for it, and is waited for" {
    const served: *Served = try .create(small, null);
    defer served.destroy();
    const server = &served.server;
    const core = &server.core;
    const index = core.slots.acquire().?;
    defer core.slots.release(index);
    const slot = &core.slots.slots[index];
    // It is amid a send whose time is over.
    slot.line1.flags.sending = true;
    core.now_ms = 10_000;
    slot.line2.write_deadline_ms = core.now_ms;
    slot.line2.unacknowledged = 100;
    server.connections.onUnacknowledged(server, &.{
        .user_data = .{ .index = @intCast(index), .operation = .unacknowledged, .generation = slot.line1.gen_id },
        .result = 150,
        .buffer = null,
        .more = false,
    });
    try std.testing.expectEqual(@as(u64, 0), core.stats.timed_out);
    try std.testing.expectEqual(core.now_ms + core.config.write_timeout_ms, slot.line2.write_deadline_ms);
    try std.testing.expectEqual(@as(u32, 150), slot.line2.unacknowledged);
}
