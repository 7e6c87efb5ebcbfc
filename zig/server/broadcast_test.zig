//! Messages to many WebSockets, behind real sockets.

const std = @import("std");
const linux = std.os.linux;
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Client = @import("testing/client.zig").Client;
const served_of = @import("testing/served.zig");
const Served = served_of.Served;

const small: sws.Config = blk: {
    var config = served_of.small;
    config.buffer_size = 4096;
    config.broadcasts_waiting_max = 8;
    break :blk config;
};

fn start(config: sws.Config) !*Served {
    const served: *Served = try .create(config, null);
    served.server.ws("/room/:id", onMessage);
    served.server.ws("/hall", onMessage);
    try served.start();
    return served;
}

/// A letter for what to do, and what to do it with: `+topic`, `-topic`, or a topic and a text with a space between them.
fn onMessage(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    const server: *AsyncServer = @ptrCast(@alignCast(socket.server.?));
    const rest = message.payload[1..];
    const space = std.mem.indexOfScalar(u8, rest, ' ') orelse rest.len;
    const topic = rest[0..space];
    const text = if (space < rest.len) rest[space + 1 ..] else "";
    switch (message.payload[0]) {
        '+' => try socket.subscribe(topic),
        '-' => socket.unsubscribe(topic),
        'b' => {
            try socket.text("before");
            _ = try server.broadcast(topic, .text, text);
            return socket.text("after");
        },
        'f' => {
            const task: FromFiber = .{ .allocator = allocator, .text = try allocator.dupe(u8, rest), .server = server, .conn_id = socket.conn_id };
            errdefer allocator.free(task.text);
            return sws.Next.go(FromFiber, task, FromFiber.exec);
        },
        't' => {
            const thread: std.Thread = try .spawn(.{}, fromThread, .{ server, try allocator.dupe(u8, rest) });
            return thread.detach();
        },
        // More in one turn than one send takes, and than may wait.
        'm' => {
            for (0..burst_len) |number| {
                var payload: [1000]u8 = @splat('x');
                std.mem.writeInt(u16, payload[0..2], @intCast(number), .big);
                _ = try server.broadcast("/hall", .binary, &payload);
            }
            return socket.subscribe("afterwards");
        },
        // To itself alone: more than one send takes, and as it has no topic any more.
        'q' => {
            socket.unsubscribe("/hall");
            const filler: [20_000]u8 = @splat('x');
            for (0..5) |_| try server.sendMessage(socket.conn_id, .text, &filler);
            return socket.close(.normal, "");
        },
        else => unreachable,
    }
    try socket.text("done");
}

const burst_len = 100;

const FromFiber = struct {
    allocator: std.mem.Allocator,
    text: []u8,
    server: *AsyncServer,
    conn_id: u64,

    fn exec(c: *FromFiber, _: *const fn (?*anyopaque, []const u8) void) void {
        defer c.allocator.destroy(c);
        defer c.allocator.free(c.text);
        sws.Fiber.yield();
        const space = std.mem.indexOfScalar(u8, c.text, ' ').?;
        const count = c.server.broadcast(c.text[0..space], .binary, c.text[space + 1 ..]) catch unreachable;
        var text: [32]u8 = undefined;
        c.server.sendMessage(c.conn_id, .text, std.fmt.bufPrint(&text, "{d} heard it", .{count}) catch unreachable) catch unreachable;
        // Nobody's: a connection that never was.
        std.debug.assert(c.server.sendMessage(c.conn_id ^ (1 << 40), .text, "") == error.Gone);
    }
};

fn fromThread(server: *AsyncServer, text: []u8) void {
    defer std.testing.allocator.free(text);
    const space = std.mem.indexOfScalar(u8, text, ' ').?;
    std.debug.assert(server.broadcastFromAnyThread(text[0..space], .text, text[space + 1 ..]) catch unreachable);
}

fn open(client: *Client, served: *Served, comptime path: []const u8) !void {
    client.* = try .connect(served.server.port());
    try client.send("GET " ++ path ++ " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 101), (try client.receiveHead()).status);
}

fn say(client: *Client, parts: []const []const u8) !void {
    var frame: [64 * 1024]u8 = undefined;
    var len: usize = 8;
    for (parts) |part| {
        @memcpy(frame[len..][0..part.len], part);
        len += part.len;
    }
    // Masked with zeroes. A length of 16 bits is only allowed where it is needed.
    if (len - 8 < 126) {
        frame[2..8].* = .{ 0x81, 0x80 | @as(u8, @intCast(len - 8)), 0, 0, 0, 0 };
        return client.send(frame[2..len]);
    }
    frame[0..8].* = .{ 0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0 };
    std.mem.writeInt(u16, frame[2..4], @intCast(len - 8), .big);
    try client.send(frame[0..len]);
}

const Frame = struct { first: u8, payload: []const u8 };

fn hear(client: *Client) !Frame {
    // Long streams don't fit into what it keeps.
    if (client.at > client.bytes.len / 2) {
        std.mem.copyForwards(u8, &client.bytes, client.bytes[client.at..client.len]);
        client.len -= client.at;
        client.at = 0;
    }
    const head = (try client.receiveExactly(2))[0..2].*;
    const len = switch (head[1]) {
        127 => @as(usize, @intCast(std.mem.readInt(u64, (try client.receiveExactly(8))[0..8], .big))),
        126 => std.mem.readInt(u16, (try client.receiveExactly(2))[0..2], .big),
        else => head[1],
    };
    return .{ .first = head[0], .payload = try client.receiveExactly(len) };
}

fn expectText(client: *Client, expected: []const u8) !void {
    const frame = try hear(client);
    try std.testing.expectEqual(@as(u8, 0x81), frame.first);
    try std.testing.expectEqualStrings(expected, frame.payload);
}

test "a broadcast reaches all of its route or its topic, and nobody else" {
    const served = try start(small);
    const clients = try std.testing.allocator.alloc(Client, 4);
    defer std.testing.allocator.free(clients);
    for (clients[0..3]) |*client| try open(client, served, "/room/7");
    try open(&clients[3], served, "/hall");
    defer for (clients) |*client| client.close();

    try say(&clients[0], &.{"b/room/:id hello"});
    // What the handler itself sends keeps its place.
    for ([_][]const u8{ "before", "hello", "after" }) |text| try expectText(&clients[0], text);
    for (clients[1..3]) |*client| try expectText(client, "hello");

    for ([_]*Client{ &clients[1], &clients[3] }) |client| {
        try say(client, &.{"+blue"});
        try expectText(client, "done");
    }
    try say(&clients[0], &.{"fblue charge"});
    try expectText(&clients[0], "2 heard it");
    for ([_]*Client{ &clients[1], &clients[3] }) |client| {
        const frame = try hear(client);
        try std.testing.expectEqual(@as(u8, 0x82), frame.first);
        try std.testing.expectEqualStrings("charge", frame.payload);
    }
    try say(&clients[1], &.{"-blue"});
    try expectText(&clients[1], "done");
    try say(&clients[0], &.{"tblue retreat"});
    try expectText(&clients[3], "retreat");
    // Nobody heard what wasn't meant for them: the next thing they hear is this.
    try say(&clients[0], &.{"t/room/:id last"});
    for (clients[0..3]) |*client| try expectText(client, "last");
    try say(&clients[3], &.{"bnobody hears"});
    for ([_][]const u8{ "before", "after" }) |text| try expectText(&clients[3], text);
    try served.finish();
}

test "a connection that is gone, or closes, has left its topics" {
    const served = try start(small);
    const clients = try std.testing.allocator.alloc(Client, 3);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| {
        try open(client, served, "/hall");
        try say(client, &.{"+x"});
        try expectText(client, "done");
    }
    defer for (clients[0..2]) |*client| client.close();
    clients[2].close();
    // A Close, which is answered.
    try clients[1].send("\x88\x82\x00\x00\x00\x00\x03\xe8");
    try std.testing.expectEqual(@as(u8, 0x88), (try hear(&clients[1])).first);
    for (0..100) |_| {
        try say(&clients[0], &.{"fx anyone"});
        var count: []const u8 = "";
        for (0..2) |_| {
            const frame = try hear(&clients[0]);
            if (frame.first == 0x81) count = try std.testing.allocator.dupe(u8, frame.payload);
        }
        defer std.testing.allocator.free(count);
        // The other one's end may arrive later than this.
        if (std.mem.eql(u8, count, "1 heard it")) break;
    } else return error.StillSubscribed;
    try served.finish();
}

test "who left the topic of its route leaves nothing behind, however often that happens" {
    var config = small;
    config.slots = 2;
    const served = try start(config);
    const client = try std.testing.allocator.create(Client);
    defer std.testing.allocator.destroy(client);
    // More of them than there are slots.
    for (0..4) |_| {
        try open(client, served, "/hall");
        try say(client, &.{"-/hall"});
        try expectText(client, "done");
        try say(client, &.{"+x"});
        try expectText(client, "done");
        try say(client, &.{"-x"});
        try expectText(client, "done");
        // A Close, which is answered, and then the end of the stream: the slot is free.
        try client.send("\x88\x82\x00\x00\x00\x00\x03\xe8");
        try std.testing.expectEqual(@as(u8, 0x88), (try hear(client)).first);
        client.close();
    }
    try served.finish();
}

test "what waits for a WebSocket without topics is given back when it closes" {
    const served = try start(small);
    const client = try std.testing.allocator.create(Client);
    defer std.testing.allocator.destroy(client);
    try open(client, served, "/hall");
    try say(client, &.{"q"});
    while ((try hear(client)).first != 0x88) {}
    client.close();
    try served.finish();
}

test "a broadcast reaches all, though there are buffers for a few of them only" {
    for ([_]usize{ 2_000, 70_000 }) |bytes| {
        var config = small;
        config.class_bytes = 64 * 1024;
        config.large_buffers = 2;
        const served = try start(config);
        const clients = try std.testing.allocator.alloc(Client, 40);
        defer std.testing.allocator.free(clients);
        for (clients) |*client| try open(client, served, "/hall");
        defer for (clients) |*client| client.close();
        const payload = try std.testing.allocator.alloc(u8, bytes);
        defer std.testing.allocator.free(payload);
        for (payload, 0..) |*byte, i| byte.* = 'a' + @as(u8, @intCast(i % 23));
        for (0..3) |_| try std.testing.expect(try served.server.broadcastFromAnyThread("/hall", .text, payload));
        for (clients) |*client| for (0..3) |_| try expectText(client, payload);
        try std.testing.expectEqual(@as(u64, 0), served.server.core.stats.exhausted);
        try served.finish();
    }
}

test "nobody is slow before the kernel had its chance, however much is broadcast in one turn" {
    const served = try start(small);
    const clients = try std.testing.allocator.alloc(Client, 2);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| try open(client, served, "/hall");
    defer for (clients) |*client| client.close();
    try say(&clients[0], &.{"m"});
    for (clients) |*client| for (0..burst_len) |number| {
        const frame = try hear(client);
        try std.testing.expectEqual(@as(u8, 0x82), frame.first);
        try std.testing.expectEqual(number, std.mem.readInt(u16, frame.payload[0..2], .big));
    };
    try say(&clients[1], &.{"bafterwards heard"});
    for ([_][]const u8{ "before", "after" }) |text| try expectText(&clients[1], text);
    try expectText(&clients[0], "heard");
    try served.finish();
}

test "broadcasts of other threads wait until there is memory for them" {
    var config = small;
    config.broadcast_messages_max = 8;
    config.broadcasts_waiting_max = 64;
    config.deferred_max = 1024;
    const served = try start(config);
    const client = try std.testing.allocator.create(Client);
    defer std.testing.allocator.destroy(client);
    try open(client, served, "/hall");
    defer client.close();
    const count = 400;
    var payload: [1000]u8 = @splat('x');
    for (0..count) |number| {
        std.mem.writeInt(u16, payload[0..2], @intCast(number), .big);
        try std.testing.expect(try served.server.broadcastFromAnyThread("/hall", .binary, &payload));
    }
    for (0..count) |number| {
        const frame = try hear(client);
        try std.testing.expectEqual(@as(u8, 0x82), frame.first);
        try std.testing.expectEqual(number, std.mem.readInt(u16, frame.payload[0..2], .big));
    }
    try std.testing.expectEqual(@as(u64, 0), served.server.core.stats.broadcasts_failed);
    try served.finish();
}

test "a broadcast of another thread that is too long is counted, and those behind it are heard" {
    std.testing.log_level = .err;
    const served = try start(small);
    const client = try std.testing.allocator.create(Client);
    defer std.testing.allocator.destroy(client);
    try open(client, served, "/hall");
    defer client.close();
    const payload = try std.testing.allocator.alloc(u8, small.large_buffer_bytes);
    defer std.testing.allocator.free(payload);
    @memset(payload, 'x');
    for ([_][]const u8{ payload, "short" }) |text| {
        try std.testing.expect(try served.server.broadcastFromAnyThread("/hall", .text, text));
    }
    try expectText(client, "short");
    try std.testing.expectEqual(@as(u64, 1), served.server.core.stats.broadcasts_failed);
    try served.finish();
}

test "who doesn't read is closed with 1013 after what it was told in order, and others miss nothing" {
    try closeWhoDoesNotRead(small);
}

test "where memory for messages runs out, who doesn't read is closed, and others miss nothing" {
    var config = small;
    config.broadcast_messages_max = 16;
    config.broadcasts_waiting_max = 1000;
    try closeWhoDoesNotRead(config);
}

fn closeWhoDoesNotRead(limits: sws.Config) !void {
    var config = limits;
    // It is closed for what it leaves waiting, and not for a send that is stuck.
    config.write_timeout_ms = 60_000;
    const served = try start(config);
    const clients = try std.testing.allocator.alloc(Client, 2);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| try open(client, served, "/hall");
    defer for (clients) |*client| client.close();
    const reader = &clients[0];
    const slow = &clients[1];
    const bytes: c_int = 64 * 1024;
    _ = linux.setsockopt(slow.fd, linux.SOL.SOCKET, linux.SO.RCVBUF, std.mem.asBytes(&bytes), @sizeOf(c_int));
    const filler: [20_000]u8 = @splat('x');
    var told: u32 = 0;
    while (@atomicLoad(u64, &served.server.core.stats.slow_consumers, .acquire) == 0) : (told += 1) {
        if (told == 5000) return error.NeverTooSlow;
        var number: [8]u8 = undefined;
        try say(reader, &.{ "b/hall ", try std.fmt.bufPrint(&number, "{d:0>8}", .{told}), &filler });
        try expectText(reader, "before");
        try std.testing.expectEqualStrings(&number, (try hear(reader)).payload[0..8]);
        try expectText(reader, "after");
    }
    var heard: u32 = 0;
    while (true) : (heard += 1) {
        const frame = try hear(slow);
        if (frame.first == 0x88) {
            try std.testing.expectEqual(@as(u16, 1013), std.mem.readInt(u16, frame.payload[0..2], .big));
            try std.testing.expectEqualStrings("too slow", frame.payload[2..]);
            break;
        }
        try std.testing.expectEqual(heard, try std.fmt.parseInt(u32, frame.payload[0..8], 10));
        try std.testing.expectEqual(filler.len + 8, frame.payload.len);
    }
    // As many waited as may, or as there was memory for.
    try std.testing.expect(heard + @min(config.broadcasts_waiting_max, config.broadcast_messages_max / 2) < told);
    try std.testing.expect(heard > 0);
    try say(reader, &.{"b/hall still there"});
    for ([_][]const u8{ "before", "still there", "after" }) |text| try expectText(reader, text);
    try std.testing.expectEqual(@as(u64, 1), served.server.core.stats.slow_consumers);
    try served.finish();
}

test "who reads late, but in time, is told everything in order" {
    var config = small;
    config.write_timeout_ms = 60_000;
    config.broadcasts_waiting_max = 64;
    config.class_bytes = 8 << 20;
    const served = try start(config);
    const clients = try std.testing.allocator.alloc(Client, 2);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| try open(client, served, "/hall");
    defer for (clients) |*client| client.close();
    const filler: [20_000]u8 = @splat('x');
    var told: u32 = 0;
    var heard: u32 = 0;
    for ([_]u32{ 1, 5, 30 }) |waiting| {
        // Beyond what the kernel takes.
        while (@atomicLoad(u32, &served.server.core.broadcasts.waiting.used, .acquire) < waiting) : (told += 1) {
            if (told == 20_000) return error.NeverWaits;
            var number: [8]u8 = undefined;
            try say(&clients[0], &.{ "b/hall ", try std.fmt.bufPrint(&number, "{d:0>8}", .{told}), filler[0 .. told * 37 % filler.len] });
            for (0..3) |_| _ = try hear(&clients[0]);
        }
        while (heard < told) : (heard += 1) {
            const frame = try hear(&clients[1]);
            try std.testing.expectEqual(heard, try std.fmt.parseInt(u32, frame.payload[0..8], 10));
            try std.testing.expectEqual(heard * 37 % filler.len + 8, frame.payload.len);
        }
    }
    try std.testing.expectEqual(@as(u64, 0), served.server.core.stats.slow_consumers);
    try served.finish();
}

test "who leaves the topic of its own route is counted out like the others" {
    const served = try start(small);
    const client = try std.testing.allocator.create(Client);
    defer std.testing.allocator.destroy(client);
    try open(client, served, "/hall");
    defer client.close();
    for ([_][]const u8{ "-/hall", "b/hall nobody hears" }) |text| try say(client, &.{text});
    for ([_][]const u8{ "done", "before", "after" }) |text| try expectText(client, text);
    try served.finish();
}

test "however many topics somebody subscribes to, others find room for that of their route" {
    std.testing.log_level = .err;
    var config = small;
    config.slots = 2;
    config.subscriptions_max = 1;
    const served = try start(config);
    const clients = try std.testing.allocator.alloc(Client, 2);
    defer std.testing.allocator.free(clients);
    defer for (clients) |*client| client.close();
    try open(&clients[0], served, "/hall");
    try say(&clients[0], &.{"+a"});
    try expectText(&clients[0], "done");
    // The handler gets the error, and this one fails for it.
    try say(&clients[0], &.{"+b"});
    try std.testing.expectEqual(@as(u8, 0x88), (try hear(&clients[0])).first);
    clients[0].close();
    for (clients) |*client| try open(client, served, "/hall");
    try say(&clients[0], &.{"+a"});
    try expectText(&clients[0], "done");
    try say(&clients[1], &.{"b/hall both"});
    try expectText(&clients[0], "both");
    try served.finish();
}

test "however many topics clients make up, those of routes are there, and one client has only so many" {
    std.testing.log_level = .err;
    // Beside those of the two routes there is one; or one client may have one.
    for ([_]u32{ 3, 100 }, [_]u32{ 100, 1 }) |topics_max, per_connection_max| {
        var config = small;
        config.topics_max = topics_max;
        config.subscriptions_per_connection_max = per_connection_max;
        const served = try start(config);
        const clients = try std.testing.allocator.alloc(Client, 3);
        defer std.testing.allocator.free(clients);
        defer for (clients) |*client| client.close();
        for (clients[0..2]) |*client| try open(client, served, "/hall");
        try say(&clients[0], &.{"+a"});
        try expectText(&clients[0], "done");
        try say(&clients[0], &.{"+b"});
        try std.testing.expectEqual(@as(u8, 0x88), (try hear(&clients[0])).first);
        try open(&clients[2], served, "/room/7");
        try served.finish();
    }
}
