//! Answers that come later, where there are more of them than the queue holds.

const std = @import("std");
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Client = @import("testing/client.zig").Client;
const Loop = @import("testing/loop.zig").Loop;

const Application = struct {
    waiting: [2]u64 = undefined,
    waiting_len: usize = 0,
    is_done: bool = false,

    fn of(ctx: *sws.Context) *Application {
        return @ptrCast(@alignCast(ctx.app_ctx.?));
    }

    fn wait(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
        const app: *Application = .of(ctx);
        app.waiting[app.waiting_len] = ctx.conn_id;
        app.waiting_len += 1;
        ctx.deferred = true;
    }

    fn plain(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
        ctx.text(200, "plain");
    }

    /// Answers those who wait and, until the queue has overflowed by both of them, some who are long gone.
    fn answerAll(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
        const app: *Application = .of(ctx);
        const server: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
        try ctx.setHeader("X-Mine", "set before");
        for (app.waiting) |id| server.sendDeferredResponse(id, 200, .text, "told");
        for (0..server.core.config.deferred_max) |_| server.sendDeferredResponse(77, 200, .text, "nobody");
        app.is_done = true;
        ctx.respond(200, ctx.param("p").?, ctx.header("x-secret").?);
    }
};

fn answerOneself(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
    const server: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
    server.sendDeferredResponse(ctx.conn_id, 200, .text, "mine");
    for (0..3 * server.core.config.deferred_max) |_| server.sendDeferredResponse(77, 200, .text, "nobody");
    server.sendDeferredResponse(ctx.conn_id, 200, .text, "too late");
    ctx.deferred = true;
}

test "a handler that gives more answers than the queue holds and its own first gets it" {
    const loop: *Loop = try .create(.{});
    const server = &loop.server;
    server.GET("/", answerOneself);
    try loop.begin();
    var client: Client = try .connect(server.port());
    for (1..3) |count| {
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        while (server.core.stats.requests < count or server.core.deferred > 0) try server.turn();
        for (0..4) |_| try server.turn();
        try std.testing.expectEqualStrings("mine", (try client.receive()).body);
    }
    client.close();
    try loop.finish();
}

test "a handler that gives more answers than the queue holds finds its own request and its own fields as they were" {
    var app: Application = .{};
    const loop: *Loop = try .create(.{});
    const server = &loop.server;
    server.core.app_ctx = &app;
    server.GET("/wait", Application.wait);
    server.GET("/plain/:p", Application.plain);
    server.GET("/all/:p", Application.answerAll);
    try loop.begin();
    const clients = try std.testing.allocator.alloc(Client, 3);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| client.* = try .connect(server.port());
    // The second request lies behind the first, and is looked at when that is answered.
    const two = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" ++
        "GET /plain/b%20b HTTP/1.1\r\nHost: " ++ "p" ** 200 ++ "\r\nX-Other: bar\r\n\r\n";
    for (clients[0..2]) |*client| try client.send(two);
    while (app.waiting_len < 2) try server.turn();
    try clients[2].send("GET /all/a%20a HTTP/1.1\r\nHost: a\r\nX-Secret: mine\r\n\r\n");
    try loop.until(&app.is_done);
    for (0..4) |_| try server.turn();

    const response = try clients[2].receive();
    try std.testing.expectEqualStrings("a a", response.header("content-type").?);
    try std.testing.expectEqualStrings("set before", response.header("x-mine").?);
    try std.testing.expectEqualStrings("mine", response.body);
    for (clients[0..2]) |*client| {
        try std.testing.expectEqualStrings("told", (try client.receive()).body);
        try std.testing.expectEqualStrings("plain", (try client.receive()).body);
    }
    try std.testing.expectEqual(@as(u64, server.core.config.deferred_max), server.core.stats.deferred_discarded);
    for (clients) |*client| client.close();
    try loop.finish();
}
