//! What becomes of a connection by the frames that it sends, behind real sockets.

const std = @import("std");
const sws = @import("root.zig");
const Client = @import("testing/client.zig").Client;
const Loop = @import("testing/loop.zig").Loop;

fn onMessage(allocator: std.mem.Allocator, _: *sws.WebSocket, message: sws.Message) anyerror!void {
    allocator.free(message.payload);
}

test "a message of a WebSocket has an end in time, however it drips" {
    const loop: *Loop = try .create(.{ .body_timeout_ms = 100, .idle_timeout_ms = 60_000 });
    loop.server.ws("/hall", onMessage);
    try loop.begin();
    const client = try std.testing.allocator.create(Client);
    defer std.testing.allocator.destroy(client);
    client.* = try .connect(loop.server.port());
    defer client.close();
    try client.send("GET /hall HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    while (loop.server.core.broadcasts.listeners == 0) try loop.server.turn();
    try client.send("\x82\xff\x00\x00\x00\x00\x00\x0f\xff\xff\x00\x00\x00\x00");
    const patience_ms = 60_000;
    const began_ms = loop.server.io.monotonic_ms();
    while (loop.server.core.stats.timed_out == 0) {
        if (loop.server.io.monotonic_ms() - began_ms > patience_ms) return error.NeverEnds;
        try client.send("y");
        try loop.server.turn();
    }
    for (0..4) |_| try loop.server.turn();
    _ = try client.receiveHead();
    const frame = try client.receiveExactly(4);
    try std.testing.expectEqual(@as(u8, 0x88), frame[0]);
    try std.testing.expectEqual(@as(u16, 1008), std.mem.readInt(u16, frame[2..4], .big));
    try std.testing.expectEqual(@as(usize, 0), loop.server.core.buffers.large.used());
    try loop.finish();
}
