//! What is added to an answer is sent, however the answer comes: at once, later, from a task, or from a fiber.

const std = @import("std");
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Context = sws.Context;
const Client = @import("testing/client.zig").Client;
const Response = @import("testing/client.zig").Response;
const Served = @import("testing/served.zig").Served;
const small = @import("testing/served.zig").small;

fn create(config: sws.Config) !*Served {
    std.testing.log_level = .err;
    const served: *Served = try .create(config, null);
    const server = &served.server;
    server.use(mark);
    server.GET("/direct", direct);
    server.GET("/later", Task(.thread).handler);
    server.GET("/go", Task(.go).handler);
    server.GET("/submit", Task(.submit).handler);
    server.GET("/yielding", sws.yielding(report));
    server.GET("/redirect", sws.yielding(redirect));
    server.GET("/brought", brought);
    server.GET("/fails", fails);
    server.GET("/fiber-fails", sws.yielding(fiberFails));
    server.GET("/split/:way", split);
    server.GET("/fiber-split/:way", sws.yielding(fiberSplit));
    server.GET("/many/:way", many);
    server.GET("/fiber-many", sws.yielding(fiberMany));
    server.GET("/long/:way", long);
    server.GET("/fiber-long", sws.yielding(fiberLong));
    server.GET("/brimful/:room", brimful);
    server.GET("/waits", waits);
    server.ws("/ws", ignore);
    try server.initPool4NextSubmit(1);
    return served;
}

fn mark(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Mw", "1");
}

fn direct(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Own", "a");
    try ctx.setHeader("Set-Cookie", "b=c; HttpOnly");
    ctx.text(200, "hello");
}

/// As the seed has it.
fn Task(comptime way: enum { thread, go, submit }) type {
    return struct {
        const Ctx = struct { resp: sws.DeferredResponse };

        fn handler(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
            try ctx.setHeader("X-Own", "a");
            ctx.deferred = true;
            try ctx.setHeader("Set-Cookie", "b=c; HttpOnly");
            const c: Ctx = .{ .resp = .{ .server = @ptrCast(@alignCast(ctx.server.?)), .conn_id = ctx.conn_id, .allocator = allocator } };
            switch (way) {
                .thread => (try std.Thread.spawn(.{}, respond, .{c})).detach(),
                .go => try sws.Next.go(Ctx, c, exec),
                .submit => try sws.Next.submit(Ctx, c, exec),
            }
        }

        fn respond(c: Ctx) void {
            c.resp.text(200, "hello");
        }

        fn exec(c: *Ctx, complete: *const fn (?*anyopaque, []const u8) void) void {
            respond(c.*);
            complete(c, "");
        }
    };
}

fn report(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    try ctx.setHeader("X-Own", "a");
    sws.Fiber.sleep(1);
    try ctx.setHeader("Set-Cookie", "b=c; HttpOnly");
    ctx.text(200, "hello");
}

fn ask(client: *Client, comptime line: []const u8) !Response {
    try client.send(line ++ " HTTP/1.1\r\nHost: a\r\n\r\n");
    return client.receive();
}

fn expectField(response: *const Response, name: []const u8, value: []const u8) !void {
    try std.testing.expectEqualStrings(value, response.header(name) orelse return error.FieldLost);
}

test "what middleware and a handler add is sent with answers at once and with those that come later" {
    const served = try create(small);
    try served.start();
    var client: Client = try .connect(served.server.port());
    defer client.close();
    for (0..3) |_| inline for (.{ "/direct", "/later", "/go", "/submit", "/yielding" }) |path| {
        const response = try ask(&client, "GET " ++ path);
        try std.testing.expectEqualStrings("hello", response.body);
        try expectField(&response, "x-mw", "1");
        try expectField(&response, "x-own", "a");
        try expectField(&response, "set-cookie", "b=c; HttpOnly");
    };
    try served.finish();
}

// Fields of the answer's own.

fn redirect(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    sws.Fiber.yield();
    try ctx.setHeader("Location", "/direct");
    ctx.respond(303, "text/x-own", "");
}

fn responseTo(ctx: *Context) sws.DeferredResponse {
    ctx.deferred = true;
    return .{ .server = @ptrCast(@alignCast(ctx.server.?)), .conn_id = ctx.conn_id, .allocator = ctx.core.allocator };
}

fn brought(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const response = responseTo(ctx);
    (try std.Thread.spawn(.{}, bring, .{response})).detach();
}

fn bring(response: sws.DeferredResponse) void {
    response.respond(303, "text/x-own", &.{ .{ .name = "Location", .value = "/direct" }, .{ .name = "X-Empty", .value = "" } }, "see");
}

test "whoever answers later adds fields, and gives any type" {
    const served = try create(small);
    try served.start();
    var client: Client = try .connect(served.server.port());
    defer client.close();
    inline for (.{ "/redirect", "/brought" }) |path| {
        const response = try ask(&client, "GET " ++ path);
        try std.testing.expectEqual(@as(u16, 303), response.status);
        try expectField(&response, "x-mw", "1");
        try expectField(&response, "location", "/direct");
        try expectField(&response, "content-type", "text/x-own");
    }
    try served.finish();
}

// Answers of the server's own.

fn fails(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Own", "a");
    return error.OutOfCheese;
}

fn fiberFails(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    try ctx.setHeader("X-Own", "a");
    return error.OutOfCheese;
}

fn ignore(allocator: std.mem.Allocator, _: *sws.WebSocket, message: sws.Message) anyerror!void {
    allocator.free(message.payload);
}

test "what middleware adds is sent when no handler answers, too, and what a failing handler added is not" {
    const served = try create(small);
    try served.start();
    var client: Client = try .connect(served.server.port());
    defer client.close();
    inline for (.{
        .{ "GET /nowhere", 404 }, .{ "DELETE /direct", 405 },   .{ "OPTIONS /direct", 204 },
        .{ "GET /fails", 500 },   .{ "GET /fiber-fails", 500 }, .{ "OPTIONS *", 204 },
    }) |case| {
        const response = try ask(&client, case[0]);
        try std.testing.expectEqual(@as(u16, case[1]), response.status);
        try expectField(&response, "x-mw", "1");
        try std.testing.expectEqual(null, response.header("x-own"));
        if (comptime std.mem.endsWith(u8, case[0], "/direct")) try expectField(&response, "allow", "GET, HEAD, OPTIONS");
    }
    const handshake = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: {s}\r\n" ++
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    inline for (.{ .{ "12", 426 }, .{ "13", 101 } }) |case| {
        var socket: Client = try .connect(served.server.port());
        defer socket.close();
        try socket.send(std.fmt.comptimePrint(handshake, .{case[0]}));
        const response = try socket.receiveHead();
        try std.testing.expectEqual(@as(u16, case[1]), response.status);
        try expectField(&response, "x-mw", "1");
    }
    try served.finish();
}

// What can't be sent.

const injected = "a\r\nX-Injected: 1";

fn isName(ctx: anytype) bool {
    return ctx.param("way").?[0] == 'n';
}

fn split(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    if (isName(ctx)) try ctx.setHeader(injected, "1") else try ctx.setHeader("X-Own", injected);
    if (ctx.query() != null) return responseTo(ctx).text(200, "split");
    ctx.text(200, "split");
}

fn fiberSplit(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    if (isName(ctx)) try ctx.setHeader(injected, "1") else try ctx.setHeader("X-Own", injected);
    ctx.text(200, "split");
}

fn many(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const fields: [100]sws.Field = @splat(.{ .name = "a", .value = "b" });
    const long_value: [17 * 1024]u8 = @splat('x');
    const response = responseTo(ctx);
    if (isName(ctx)) return response.respond(200, null, &fields, "");
    response.respond(200, null, &.{.{ .name = "a", .value = &long_value }}, "");
}

fn fiberMany(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    while (true) try ctx.setHeader("a", "b");
}

test "a field that would end its line, or one too many, is a 500 and no part of the answer" {
    const served = try create(small);
    try served.start();
    var client: Client = try .connect(served.server.port());
    defer client.close();
    inline for (.{
        "/split/name",       "/split/value",       "/split/name?later", "/split/value?later",
        "/fiber-split/name", "/fiber-split/value", "/many/number",      "/many/bytes",
        "/fiber-many",
    }) |path| {
        const response = try ask(&client, "GET " ++ path);
        try std.testing.expectEqual(@as(u16, 500), response.status);
        try std.testing.expectEqual(null, response.header("x-injected"));
        try std.testing.expectEqual(null, response.header("a"));
    }
    try std.testing.expectEqualStrings("hello", (try ask(&client, "GET /direct")).body);
    // What is too long to be handed over at all is told on its own thread, and not counted.
    try std.testing.expectEqual(@as(u64, 8), served.server.core.stats.handler_errors);
    try served.finish();
}

// Long ones.

const long_bytes = 2 << 20;

fn longBody(allocator: std.mem.Allocator) ![]u8 {
    const body = try allocator.alloc(u8, long_bytes);
    for (body, 0..) |*byte, i| byte.* = @truncate(i % 251);
    return body;
}

fn long(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    const body = try longBody(allocator);
    if (std.mem.eql(u8, ctx.param("way").?, "direct")) return ctx.respondAllocated(200, null, body);
    defer allocator.free(body);
    const fields: []const sws.Field = &.{.{ .name = "X-Own", .value = "a" }};
    if (isName(ctx)) responseTo(ctx).json(200, body) else responseTo(ctx).respond(200, null, fields, body);
}

fn fiberLong(allocator: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    const body = try longBody(allocator);
    defer allocator.free(body);
    ctx.text(200, body);
}

test "an answer that comes later is as long as it likes, and its connection goes on" {
    const served = try create(small);
    try served.start();
    const body = try longBody(std.testing.allocator);
    defer std.testing.allocator.free(body);
    var client: Client = try .connect(served.server.port());
    defer client.close();
    inline for (.{ "/long/direct", "/long/n", "/long/fields", "/fiber-long" }) |path| {
        try client.send("GET " ++ path ++ " HTTP/1.1\r\nHost: a\r\n\r\nHEAD " ++ path ++ " HTTP/1.1\r\nHost: a\r\n\r\n");
        const response = try client.receiveHead();
        try std.testing.expectEqual(@as(u16, 200), response.status);
        try expectField(&response, "x-mw", "1");
        try expectField(&response, "content-length", std.fmt.comptimePrint("{d}", .{long_bytes}));
        if (comptime std.mem.endsWith(u8, path, "fields")) try expectField(&response, "x-own", "a");
        try client.expectBytes(body);
        try expectField(&try client.receiveHead(), "content-length", std.fmt.comptimePrint("{d}", .{long_bytes}));
    }
    // One that leaves in the middle.
    var leaving: Client = try .connect(served.server.port());
    try leaving.send("GET /fiber-long HTTP/1.1\r\nHost: a\r\n\r\n");
    _ = try leaving.receiveHead();
    leaving.close();
    try std.testing.expectEqualStrings("hello", (try ask(&client, "GET /direct")).body);
    try std.testing.expectEqual(@as(u64, 0), served.server.core.stats.handler_errors);
    try served.finish();
}

/// Copied, with so much left of the largest buffer, and a head that is longer than most.
fn brimful(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    const body = try longBody(allocator);
    defer allocator.free(body);
    try ctx.setHeader("X-Long", kept_value[0..900]);
    ctx.text(200, body[0 .. small.large_buffer_bytes - try std.fmt.parseInt(usize, ctx.param("room").?, 10)]);
}

test "an answer that has room for its body has as much as its head takes" {
    const served = try create(small);
    try served.start();
    const body = try longBody(std.testing.allocator);
    defer std.testing.allocator.free(body);
    var client: Client = try .connect(served.server.port());
    defer client.close();
    inline for (.{ 0, 1, 255, 256, 300, 900, 1000, 1100, 1200 }) |room| {
        const path = std.fmt.comptimePrint("/brimful/{d}", .{room});
        try client.send("GET " ++ path ++ " HTTP/1.1\r\nHost: a\r\n\r\nHEAD " ++ path ++ " HTTP/1.1\r\nHost: a\r\n\r\n");
        const response = try client.receiveHead();
        try std.testing.expectEqual(@as(u16, 200), response.status);
        const len = small.large_buffer_bytes - room;
        try client.expectBytes(body[0..len]);
        try expectField(&try client.receiveHead(), "content-length", std.fmt.comptimePrint("{d}", .{len}));
    }
    try served.finish();
}

// No memory.

/// Requests that wait, for the test to answer.
const Waiting = struct {
    ids: [32]u64 = undefined,
    len: std.atomic.Value(u32) = .init(0),
};

const kept_value: [10 * 1024]u8 = @splat('k');

fn waits(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Kept", &kept_value);
    const waiting: *Waiting = @ptrCast(@alignCast(ctx.app_ctx.?));
    ctx.deferred = true;
    waiting.ids[waiting.len.load(.acquire)] = ctx.conn_id;
    _ = waiting.len.fetchAdd(1, .acq_rel);
}

test "fields that wait are kept in the pools: who finds no room is told, and everybody else gets his whole" {
    var config = small;
    // Four blocks of 16 KB, two of 32, one of 64 and one large one hold them.
    config.class_bytes = 64 * 1024;
    config.large_buffers = 1;
    config.deferred_timeout_ms = 1500;
    const served = try create(config);
    var waiting: Waiting = .{};
    served.server.core.app_ctx = &waiting;
    try served.start();
    const clients = try std.testing.allocator.alloc(Client, 12);
    defer std.testing.allocator.free(clients);
    for (clients, 1..) |*client, count| {
        client.* = try .connect(served.server.port());
        try client.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
        while (waiting.len.load(.acquire) < count) std.Thread.yield() catch {};
    }
    // The first leaves, the second isn't answered.
    clients[0].close();
    for (waiting.ids[2..clients.len]) |id| served.server.sendDeferredResponse(id, 200, .text, "kept");
    for (clients[1..], 1..) |*client, i| {
        defer client.close();
        const response = try client.receive();
        const is_kept = i < 8;
        try std.testing.expectEqual(@as(u16, if (!is_kept) 503 else if (i == 1) 504 else 200), response.status);
        if (is_kept and i > 1) try expectField(&response, "x-kept", &kept_value);
    }
    try std.testing.expectEqual(@as(u64, 4), served.server.core.stats.exhausted);
    try served.finish();
}

// A full queue.

fn burst(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const server: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
    const waiting: *Waiting = @ptrCast(@alignCast(ctx.app_ctx.?));
    try ctx.setHeader("X-Own", "a");
    // Those behind the first are nobody's any more.
    for (0..10) |_| server.sendDeferredResponse(waiting.ids[0], 200, .text, "kept");
    ctx.text(200, ctx.header("x-probe") orelse "another request's fields");
}

test "a handler that answers others while the queue is full keeps its own request and its own answer" {
    var config = small;
    config.deferred_max = 2;
    const running = try create(config);
    var waiting: Waiting = .{};
    running.server.core.app_ctx = &waiting;
    running.server.GET("/burst", burst);
    try running.start();
    var first: Client = try .connect(running.server.port());
    defer first.close();
    // The next one of that connection is looked at as soon as this one is answered.
    try first.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\nGET /direct HTTP/1.1\r\nHost: a\r\nX-Other: 1\r\nX-Probe: wrong\r\n\r\n");
    while (waiting.len.load(.acquire) == 0) std.Thread.yield() catch {};
    var second: Client = try .connect(running.server.port());
    defer second.close();
    try second.send("GET /burst HTTP/1.1\r\nHost: a\r\nX-Probe: right\r\n\r\n");
    const response = try second.receive();
    try std.testing.expectEqualStrings("right", response.body);
    try expectField(&response, "x-own", "a");
    try expectField(&response, "x-mw", "1");
    try std.testing.expectEqual(null, response.header("set-cookie"));
    try std.testing.expectEqualStrings("kept", (try first.receive()).body);
    try std.testing.expectEqualStrings("hello", (try first.receive()).body);
    try running.finish();
}
