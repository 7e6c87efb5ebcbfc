//! What an application does wrong is told to it and to its client, and everybody else is served: no slip ends the server.

const std = @import("std");
const sws = @import("root.zig");
const Client = @import("testing/client.zig").Client;
const Context = sws.Context;
const Served = @import("testing/served.zig").Served;
const small = @import("testing/served.zig").small;

fn mark(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Mw", "1");
}

fn twice(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.text(200, "first");
    ctx.text(200, "second");
    if (ctx.setHeader("X-Late", "1")) |_| unreachable else |err| try std.testing.expectEqual(error.AlreadyAnswered, err);
}

fn fiberTwice(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    ctx.respond(200, "text/css", "first");
    ctx.respond(200, "text/css", "second");
    try ctx.setHeader("X-Late", "1");
}

var released: u32 = 0;

fn release(_: ?*anyopaque, _: []const u8) void {
    released += 1;
}

fn produceNothing(_: ?*anyopaque, _: []u8) anyerror!usize {
    return 0;
}

/// What was given to the second answer comes back as it would from the first.
fn lent(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.text(200, "first");
    ctx.respondOwned(200, null, "second", release, null);
    ctx.respondPieces(200, null, produceNothing, release, null);
}

/// As who could not do what the answer was to wait for.
fn changesItsMind(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.deferred = true;
    ctx.text(200, "first");
}

fn silent(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Own", "1");
}

fn badStatus(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Own", "1");
    ctx.text(0, "no such status");
}

fn badLater(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.deferred = true;
    const response: sws.DeferredResponse = .{ .server = @ptrCast(@alignCast(ctx.server.?)), .conn_id = ctx.conn_id, .allocator = allocator };
    response.respond(200, null, &.{.{ .name = "X-Own", .value = "a\nb" }}, "");
}

fn closing(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    switch (message.payload[0]) {
        '0' => socket.close(@enumFromInt(1005), ""),
        '1' => socket.close(.normal, "\xff"),
        else => socket.close(@enumFromInt(0), "no code"),
    }
    // Nothing goes behind a Close.
    try socket.text("late");
}

test "a slip of a handler's is logged and counted, its client has an answer, and the connection goes on" {
    std.testing.log_level = .err;
    released = 0;
    const served: *Served = try .create(small, null);
    const server = &served.server;
    server.use(mark);
    server.GET("/twice", twice);
    server.GET("/fiber-twice", sws.yielding(fiberTwice));
    server.GET("/lent", lent);
    server.GET("/mind", changesItsMind);
    server.GET("/silent", silent);
    server.GET("/status", badStatus);
    server.GET("/later", badLater);
    try served.start();
    var client: Client = try .connect(server.port());
    defer client.close();
    const Case = struct { path: []const u8, status: u16 = 200, errors: u64 };
    var errors: u64 = 0;
    for ([_]Case{
        .{ .path = "/twice", .errors = 1 },
        .{ .path = "/fiber-twice", .errors = 2 },
        .{ .path = "/lent", .errors = 2 },
        .{ .path = "/mind", .errors = 0 },
        .{ .path = "/silent", .status = 500, .errors = 1 },
        .{ .path = "/status", .status = 500, .errors = 1 },
        .{ .path = "/later", .status = 500, .errors = 1 },
    }) |case| {
        errors += case.errors;
        try client.send("GET ");
        try client.send(case.path);
        try client.send(" HTTP/1.1\r\nHost: a\r\n\r\n");
        const response = try client.receive();
        try std.testing.expectEqual(case.status, response.status);
        if (case.status == 200) try std.testing.expectEqualStrings("first", response.body);
        // What middleware has set is no part of the slip.
        try std.testing.expectEqualStrings("1", response.header("x-mw") orelse return error.FieldLost);
        try std.testing.expectEqual(null, response.header("x-late"));
        try std.testing.expectEqual(null, response.header("x-own"));
    }
    try std.testing.expectEqual(@as(u32, 2), released);
    try std.testing.expectEqual(errors, server.core.stats.handler_errors);
    try served.finish();
}

test "a Close that can't be sent is told as an error of the server's" {
    std.testing.log_level = .err;
    const served: *Served = try .create(small, null);
    const server = &served.server;
    server.ws("/ws", closing);
    try served.start();
    inline for (.{ "0", "1", "2" }) |payload| {
        var client: Client = try .connect(server.port());
        defer client.close();
        try client.send("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        try std.testing.expectEqual(@as(u16, 101), (try client.receiveHead()).status);
        try client.send("\x81\x81\x00\x00\x00\x00" ++ payload);
        try std.testing.expectEqualStrings("\x88\x02\x03\xf3", try client.receiveExactly(4));
        try client.send("\x88\x82\x00\x00\x00\x00\x03\xf3");
        try std.testing.expect(try client.isEnded());
    }
    try std.testing.expectEqual(@as(u64, 3), server.core.stats.handler_errors);
    try served.finish();
}
