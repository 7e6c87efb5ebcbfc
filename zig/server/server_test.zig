//! The whole server over real sockets: a loop on a thread of its own, and clients that block.

const std = @import("std");
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Config = sws.Config;
const Context = sws.Context;
const Client = @import("testing/client.zig").Client;
const Served = @import("testing/served.zig").Served;
const small = @import("testing/served.zig").small;

fn create(config: Config) !*Served {
    const served: *Served = try .create(config, null);
    const server = &served.server;
    server.GET("/hello", hello);
    server.POST("/echo", echo);
    server.GET("/users/:id", user);
    server.GET("/large", large);
    server.GET("/pieces", pieces);
    server.GET("/later", later);
    server.GET("/fails", fails);
    server.GET("/silent", silent);
    server.ws("/ws", echoMessage);
    server.use(mark);
    return served;
}

fn hello(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.text(200, "hello");
}

fn echo(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.respond(200, ctx.header("content-type"), ctx.body());
}

fn user(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-User", ctx.param("id").?);
    ctx.json(200, ctx.query() orelse "null");
}

const large_body: [300_000]u8 = @splat('L');

fn large(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.respondOwned(200, null, &large_body, null, null);
}

threadlocal var pieces_left: usize = 0;

fn pieces(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    pieces_left = 5;
    ctx.respondPieces(200, "text/plain", nextPiece, null, null);
}

fn nextPiece(_: ?*anyopaque, into: []u8) anyerror!usize {
    if (pieces_left == 0) return 0;
    pieces_left -= 1;
    @memset(into[0..1000], '0' + @as(u8, @intCast(pieces_left)));
    return 1000;
}

fn later(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const server: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
    ctx.deferred = true;
    const thread: std.Thread = try .spawn(.{}, answerLater, .{AsyncServer.DeferredResponse{
        .server = server,
        .conn_id = ctx.conn_id,
        .allocator = server.allocator,
    }});
    thread.detach();
}

fn answerLater(response: AsyncServer.DeferredResponse) void {
    response.json(200, "{\"later\":true}");
}

fn echoMessage(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    if (std.mem.eql(u8, message.payload, "fail")) return error.OutOfCheese;
    try socket.send(message.opcode, message.payload);
}

fn fails(_: std.mem.Allocator, _: *Context) anyerror!void {
    return error.OutOfCheese;
}

fn silent(_: std.mem.Allocator, _: *Context) anyerror!void {}

fn mark(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Mark", "1");
    if (ctx.header("x-forbidden") != null) ctx.text(403, "no");
}

test "requests of one connection are answered in order, in one piece or byte by byte" {
    const fixture = try create(small);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    const both = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" ++
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n";
    for ([_]usize{ both.len, 1, 7 }) |step| {
        var rest: []const u8 = both;
        while (rest.len > 0) : (rest = rest[@min(step, rest.len)..]) try client.send(rest[0..@min(step, rest.len)]);
        for ([_][]const u8{ "hello", "abc", "def" }) |body| {
            const response = try client.receive();
            try std.testing.expectEqual(@as(u16, 200), response.status);
            try std.testing.expectEqualStrings(body, response.body);
            try std.testing.expectEqualStrings("1", response.header("x-mark").?);
        }
    }
    try fixture.finish();
}

test "what a handler does wrong is the server's error, and the connection goes on" {
    std.testing.log_level = .err;
    const fixture = try create(small);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    const cases = [_]struct { []const u8, u16 }{
        .{ "GET /silent", 500 },
        .{ "GET /nowhere", 404 },
        .{ "POST /hello", 405 },
        .{ "OPTIONS /hello", 204 },
        .{ "OPTIONS *", 204 },
        .{ "GET /%zz", 400 },
    };
    for (cases) |case| {
        try client.send(case[0]);
        try client.send(" HTTP/1.1\r\nHost: a\r\n\r\n");
        try std.testing.expectEqual(case[1], (try client.receive()).status);
    }
    try client.send("GET /hello HTTP/1.1\r\nHost: a\r\nX-Forbidden: 1\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 403), (try client.receive()).status);
    try client.send("GET /users/a%20b?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = try client.receive();
    try std.testing.expectEqualStrings("a b", response.header("x-user").?);
    try std.testing.expectEqualStrings("x=1", response.body);
    try fixture.finish();
}

test "bodies that are sent from where they lie, in pieces, or later arrive whole" {
    const fixture = try create(small);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    for (0..3) |_| {
        try client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /pieces HTTP/1.1\r\nHost: a\r\n\r\n" ++
            "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        try std.testing.expectEqual(large_body.len, (try client.receive()).body.len);
        const chunked = try client.receive();
        try std.testing.expectEqual(@as(usize, 5000), chunked.body.len);
        try std.testing.expectEqual(@as(u8, '4'), chunked.body[0]);
        try std.testing.expectEqual(@as(u8, '0'), chunked.body[4999]);
        try std.testing.expectEqualStrings("{\"later\":true}", (try client.receive()).body);
        try std.testing.expectEqualStrings("hello", (try client.receive()).body);
    }
    try fixture.finish();
}

test "a head without a body has the length of its GET, and a client of HTTP/1.0 is closed unless it asks" {
    const fixture = try create(small);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = try client.receiveHead();
    try std.testing.expectEqualStrings("5", response.header("content-length").?);
    try client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    try std.testing.expectEqualStrings("keep-alive", (try client.receive()).header("connection").?);
    try client.send("GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    try std.testing.expectEqual(@as(usize, 5000), (try client.receiveUntilEnd()).len);
    try fixture.finish();
}

test "who waits to send its body is told to go on, and too long a body is refused before it is sent" {
    const fixture = try create(small);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 100), (try client.receiveHead()).status);
    try client.send("abc");
    try std.testing.expectEqualStrings("abc", (try client.receive()).body);
    try client.send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 413), (try client.receive()).status);
    try std.testing.expect(try client.isEnded());
    try fixture.finish();
}

test "what can't be understood is refused, and the connection closed" {
    const fixture = try create(small);
    try fixture.start();
    const cases = [_]struct { []const u8, u16 }{
        .{ "GET /hello HTTP/1.1\r\n\r\n", 400 },
        .{ "GET /hello HTTP/1.1\nHost: a\n\n", 400 },
        .{ "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        .{ "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400 },
        .{ "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
        .{ "GET /" ++ "a" ** 9000 ++ " HTTP/1.1\r\nHost: a\r\n\r\n", 414 },
        .{ "GET / HTTP/1.1\r\nHost: a\r\n" ++ "a: b\r\n" ** 100 ++ "\r\n", 431 },
        .{ "GET / HTTP/1.1\r\nHost: a\r\na: " ++ "b" ** 20_000 ++ "\r\n\r\n", 431 },
    };
    for (cases) |case| {
        var client: Client = try .connect(fixture.server.port());
        defer client.close();
        try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        try client.send(case[0]);
        // Nothing behind it is answered.
        try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        try std.testing.expectEqual(@as(u16, 200), (try client.receive()).status);
        const response = try client.receive();
        try std.testing.expectEqual(case[1], response.status);
        try std.testing.expectEqualStrings("close", response.header("connection").?);
        try std.testing.expect(try client.isEnded());
    }
    try fixture.finish();
}

test "a head that takes too long is answered with 408" {
    var config = small;
    config.head_timeout_ms = 100;
    const fixture = try create(config);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try client.send("GET /hello HTTP/1.1\r\nHo");
    try std.testing.expectEqual(@as(u16, 408), (try client.receive()).status);
    try std.testing.expect(try client.isEnded());
    try fixture.finish();
}

test "a connection that rests too long is closed" {
    var config = small;
    config.idle_timeout_ms = 100;
    const fixture = try create(config);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try std.testing.expect(try client.isEnded());
    try fixture.finish();
}

test "clients beyond the slots wait until there is room, and nothing else" {
    var config = small;
    config.slots = 2;
    const fixture = try create(config);
    try fixture.start();
    var first: Client = try .connect(fixture.server.port());
    var second: Client = try .connect(fixture.server.port());
    defer second.close();
    for ([_]*Client{ &first, &second }) |client| {
        try client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        _ = try client.receive();
    }
    var third: Client = try .connect(fixture.server.port());
    defer third.close();
    try third.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    first.close();
    try std.testing.expectEqualStrings("hello", (try third.receive()).body);
    try fixture.finish();
}

test "clients that come together are served as slots become free, and none is turned away" {
    var config = small;
    config.slots = 2;
    const fixture = try create(config);
    try fixture.start();
    var clients: [40]Client = undefined;
    for (&clients) |*client| {
        client.* = try .connect(fixture.server.port());
        try client.send("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    for (&clients) |*client| {
        try std.testing.expectEqualStrings("hello", (try client.receive()).body);
        client.close();
    }
    try std.testing.expectEqual(@as(u64, 0), fixture.server.core.stats.accept_refused);
    try fixture.finish();
}

var hooked: struct { thread: std.atomic.Value(u64) = .init(0), ticks: std.atomic.Value(u32) = .init(0), body: [32]u8 = undefined, len: usize = 0 } = .{};

fn countTick(_: *AsyncServer) void {
    hooked.thread.store(std.Thread.getCurrentId(), .release);
    _ = hooked.ticks.fetchAdd(1, .acq_rel);
}

fn noteDeferred(_: *AsyncServer, node: *sws.DeferredNode) void {
    std.debug.assert(hooked.thread.load(.acquire) == std.Thread.getCurrentId());
    hooked.len = node.body.len;
    @memcpy(hooked.body[0..node.body.len], node.body);
}

fn noteThread(_: std.mem.Allocator, thread: *std.atomic.Value(u64)) void {
    thread.store(std.Thread.getCurrentId(), .release);
}

test "hooks and what other threads hand over run on the loop's thread, a deferred one before its answer is sent" {
    const fixture = try create(small);
    try fixture.server.addHookTick(countTick);
    try fixture.server.addHookDeferred(noteDeferred);
    try fixture.start();
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = try client.receive();
    try std.testing.expectEqualStrings("{\"later\":true}", response.body);
    // The answer was sent behind the hook, so what that wrote is there.
    try std.testing.expectEqualStrings("{\"later\":true}", hooked.body[0..hooked.len]);
    try std.testing.expect(hooked.ticks.load(.acquire) > 0);
    var thread: std.atomic.Value(u64) = .init(0);
    try std.testing.expect(fixture.server.invokeOnIoThread(std.atomic.Value(u64), &thread, noteThread));
    while (thread.load(.acquire) == 0) std.Thread.yield() catch {};
    try std.testing.expectEqual(hooked.thread.load(.acquire), thread.load(.acquire));
    try std.testing.expect(thread.load(.acquire) != std.Thread.getCurrentId());
    try fixture.finish();
}

test "messages of a WebSocket come back, whole, in fragments and byte by byte, with control frames in between" {
    const fixture = try create(small);
    try fixture.start();
    // Masked with zeroes.
    const sent = "\x81\x82\x00\x00\x00\x00hi" ++ "\x01\x81\x00\x00\x00\x00a" ++ "\x89\x81\x00\x00\x00\x00p" ++
        "\x80\x82\x00\x00\x00\x00bc" ++ "\x82\xfe\x02\xbc\x00\x00\x00\x00" ++ "b" ** 700 ++ "\x88\x82\x00\x00\x00\x00\x03\xe8";
    const expected = "\x81\x02hi" ++ "\x8a\x01p" ++ "\x81\x03abc" ++ "\x82\x7e\x02\xbc" ++ "b" ** 700 ++ "\x88\x02\x03\xe8";
    for ([_]usize{ sent.len, 1, 5 }) |step| {
        var client: Client = try .connect(fixture.server.port());
        defer client.close();
        try upgrade(&client);
        var rest: []const u8 = sent;
        while (rest.len > 0) : (rest = rest[@min(step, rest.len)..]) try client.send(rest[0..@min(step, rest.len)]);
        try std.testing.expectEqualStrings(expected, try client.receiveExactly(expected.len));
        try std.testing.expect(try client.isEnded());
    }
    try fixture.finish();
}

test "a WebSocket's faults are told by their codes, and one that is open when the server stops is told to go" {
    std.testing.log_level = .err;
    const fixture = try create(small);
    try fixture.start();
    const cases = [_]struct { []const u8, u16 }{
        .{ "\x81\x02hi", 1002 },
        .{ "\x81\x81\x00\x00\x00\x00\xff", 1007 },
        .{ "\x80\x80\x00\x00\x00\x00", 1002 },
        .{ "\x82\xff\x00\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00", 1009 },
        .{ "\x81\x84\x00\x00\x00\x00fail", 1011 },
    };
    for (cases) |case| {
        var client: Client = try .connect(fixture.server.port());
        defer client.close();
        try upgrade(&client);
        try client.send(case[0]);
        const frame = try client.receiveExactly(4);
        try std.testing.expectEqual(@as(u8, 0x88), frame[0]);
        try std.testing.expectEqual(case[1], std.mem.readInt(u16, frame[2..4], .big));
    }
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try client.send("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 426), (try client.receive()).status);
    var open: Client = try .connect(fixture.server.port());
    defer open.close();
    try upgrade(&open);
    fixture.server.stop();
    try std.testing.expectEqualStrings("\x88\x02\x03\xe9", try open.receiveExactly(4));
    try fixture.finish();
}

fn upgrade(client: *Client) !void {
    try client.send("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const response = try client.receiveHead();
    try std.testing.expectEqual(@as(u16, 101), response.status);
    try std.testing.expectEqualStrings("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", response.header("sec-websocket-accept").?);
}
