//! What a configuration says, and what a server does by it: methods, names, processors, ticks, and memory.

const std = @import("std");
const linux = std.os.linux;
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Context = sws.Context;
const Client = @import("testing/client.zig").Client;
const Core = @import("core.zig").Core;
const Served = @import("testing/served.zig").Served;
const small = @import("testing/served.zig").small;

fn sayMethod(comptime name: []const u8) sws.Handler {
    return struct {
        fn handler(_: std.mem.Allocator, ctx: *Context) anyerror!void {
            try ctx.setHeader("X-Route", name);
            ctx.html(200, ctx.method());
        }
    }.handler;
}

fn onFiber(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    sws.Fiber.yield();
    ctx.html(200, ctx.body());
}

test "each method finds its own route, and every answer says the server's name" {
    var config = small;
    config.server_name = "sws/test";
    const served: *Served = try .create(config, null);
    const server = &served.server;
    server.GET("/each", sayMethod("get"));
    server.POST("/each", sayMethod("post"));
    server.PUT("/each", sayMethod("put"));
    server.PATCH("/each", sayMethod("patch"));
    server.DELETE("/each", sayMethod("delete"));
    server.any("/each", sayMethod("any"));
    server.DELETE("/only", sayMethod("delete"));
    server.PUT("/fiber", sws.yielding(onFiber));
    try served.start();
    var client: Client = try .connect(server.port());
    defer client.close();
    const Case = struct { []const u8, []const u8 };
    for ([_]Case{
        .{ "GET", "get" },       .{ "POST", "post" }, .{ "PUT", "put" },      .{ "PATCH", "patch" },
        .{ "DELETE", "delete" }, .{ "PURGE", "any" }, .{ "PROPFIND", "any" }, .{ "TRACE", "any" },
    }) |case| {
        var text: [128]u8 = undefined;
        try client.send(try std.fmt.bufPrint(&text, "{s} /each HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", .{case[0]}));
        const response = try client.receive();
        try std.testing.expectEqual(@as(u16, 200), response.status);
        try std.testing.expectEqualStrings(case[0], response.body);
        try std.testing.expectEqualStrings(case[1], response.header("x-route").?);
        try std.testing.expectEqualStrings("text/html; charset=utf-8", response.header("content-type").?);
        try std.testing.expectEqualStrings("sws/test", response.header("server") orelse return error.NoName);
    }
    try client.send("PUT /only HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nPUT /fiber HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n<p>");
    const refused = try client.receive();
    try std.testing.expectEqual(@as(u16, 405), refused.status);
    try std.testing.expectEqualStrings("DELETE, OPTIONS", refused.header("allow").?);
    const response = try client.receive();
    try std.testing.expectEqualStrings("<p>", response.body);
    try std.testing.expectEqualStrings("text/html; charset=utf-8", response.header("content-type").?);
    try std.testing.expectEqualStrings("sws/test", response.header("server") orelse return error.NoName);
    try served.finish();
}

// The processor.

const CpuSet = std.StaticBitSet(@bitSizeOf(linux.cpu_set_t));

fn affinity() CpuSet {
    var set: linux.cpu_set_t = @splat(0);
    const rc = linux.sched_getaffinity(0, @sizeOf(linux.cpu_set_t), &set);
    std.debug.assert(linux.errno(rc) == .SUCCESS);
    return @bitCast(set);
}

fn sayProcessors(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const set = affinity();
    var text: [64]u8 = undefined;
    ctx.text(200, try std.fmt.bufPrint(&text, "{d} {d}", .{ set.count(), set.findFirstSet().? }));
}

test "the loop's thread stays on the processor that it is given, and nobody else does" {
    const own = affinity();
    var processors = own.iterator(.{});
    while (processors.next()) |processor| {
        var config = small;
        config.io_cpu = @intCast(processor);
        const served: *Served = try .create(config, null);
        served.server.GET("/", sayProcessors);
        try served.start();
        var client: Client = try .connect(served.server.port());
        defer client.close();
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        var text: [64]u8 = undefined;
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&text, "1 {d}", .{processor}), (try client.receive()).body);
        try served.finish();
        try std.testing.expectEqual(own, affinity());
    }
}

// Ticks.

var ticks: std.atomic.Value(u32) = .init(0);

fn countTick(_: *AsyncServer) void {
    _ = ticks.fetchAdd(1, .acq_rel);
}

fn sleepMs(ms: u31) void {
    const time: linux.timespec = .{ .sec = 0, .nsec = ms * std.time.ns_per_ms };
    _ = linux.nanosleep(&time, null);
}

/// Whether they end, while nothing happens.
fn ticksRest() bool {
    var before = ticks.load(.acquire);
    for (0..20) |_| {
        sleepMs(50);
        const now = ticks.load(.acquire);
        if (now == before) return true;
        before = now;
    }
    return false;
}

fn nothing(_: std.mem.Allocator, _: *u8) void {}

fn freeLater(fd: linux.fd_t) void {
    sleepMs(200);
    _ = linux.close(fd);
}

test "an address that is given up soon is waited for, and one that isn't is told" {
    const holder = linux.socket(linux.AF.INET, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, 0);
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(holder));
    const fd: linux.fd_t = @intCast(holder);
    var address: linux.sockaddr.in = .{ .port = 0, .addr = @bitCast([4]u8{ 127, 0, 0, 1 }) };
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(linux.bind(fd, @ptrCast(&address), @sizeOf(linux.sockaddr.in))));
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(linux.listen(fd, 1)));
    var len: linux.socklen_t = @sizeOf(linux.sockaddr.in);
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(linux.getsockname(fd, @ptrCast(&address), &len)));
    var text: [32]u8 = undefined;
    const taken = try std.fmt.bufPrint(&text, "127.0.0.1:{d}", .{std.mem.bigToNative(u16, address.port)});
    if (AsyncServer.initConfig(std.testing.allocator, taken, null, small)) |_| return error.TakenTwice else |err| switch (err) {
        error.RingDenied, error.KernelTooOld => return @import("testing/skipped.zig").forWantOfRing(),
        else => try std.testing.expectEqual(error.AddressInUse, err),
    }
    const thread: std.Thread = try .spawn(.{}, freeLater, .{fd});
    var server = try AsyncServer.initConfig(std.testing.allocator, taken, null, small);
    defer server.deinit();
    thread.join();
}

test "hooks tick as often as they are to, and with every turn" {
    for ([_]u32{ 1, 3_600_000 }) |interval_ms| {
        var config = small;
        config.tick_interval_ms = interval_ms;
        const served: *Served = try .create(config, null);
        try served.server.addHookTick(countTick);
        try served.start();
        try std.testing.expectEqual(interval_ms > 1, ticksRest());
        const before = ticks.load(.acquire);
        var unused: u8 = 0;
        try std.testing.expect(served.server.invokeOnIoThread(u8, &unused, nothing));
        while (ticks.load(.acquire) == before) sleepMs(1);
        try served.finish();
    }
}

// Memory.

fn residentPages(memory: []const u8) !usize {
    var states: [1024]u8 = undefined;
    const len = std.mem.alignForward(usize, memory.len, std.heap.page_size_min);
    const pages = states[0 .. len / std.heap.page_size_min];
    if (linux.errno(linux.mincore(@constCast(memory.ptr), len, pages.ptr)) != .SUCCESS) return error.Unexpected;
    var count: usize = 0;
    for (pages) |state| count += state & 1;
    return count;
}

test "slots cost memory when they are used, or at once when they are to be warm" {
    for ([_]bool{ false, true }) |is_warm| {
        var config = small;
        config.slots = 4096;
        config.warmup = is_warm;
        var core: Core = try .init(std.testing.allocator, config);
        defer core.deinit();
        const memory = std.mem.sliceAsBytes(core.slots.slots);
        const expected = if (is_warm) memory.len / std.heap.page_size_min else 0;
        try std.testing.expectEqual(expected, try residentPages(memory));
        try std.testing.expectEqual(@as(?u32, 0), core.slots.acquire());
    }
}

fn hello(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader("X-Id", ctx.param("id") orelse "none");
    ctx.text(200, "hello");
}

fn echo(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.respond(200, ctx.header("content-type"), ctx.body());
}

fn defers(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.deferred = true;
    const server: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
    server.sendDeferredResponse(ctx.conn_id, 200, .text, "later");
}

fn echoMessage(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    try socket.send(message.opcode, message.payload);
}

test "after the start plain requests ask for no memory, and what does is refused when there is none" {
    std.testing.log_level = .err;
    var failing: std.testing.FailingAllocator = .init(std.testing.allocator, .{});
    const served: *Served = try .createWith(failing.allocator(), small, null);
    const server = &served.server;
    server.GET("/hello/:id", hello);
    server.POST("/echo", echo);
    server.GET("/later", defers);
    server.PUT("/fiber", sws.yielding(onFiber));
    server.ws("/ws", echoMessage);
    try served.start();
    var client: Client = try .connect(server.port());
    defer client.close();
    const plain = "GET /hello/a%20b?q HTTP/1.1\r\nHost: a\r\n\r\n" ++
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" ++ "e" ** 100_000 ++
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n" ++
        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nPUT /hello/x HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello/x HTTP/1.1\r\nHost: a\r\n\r\n";
    var asked: usize = 0;
    for (0..2) |round| {
        // The loop has begun when it has answered.
        if (round == 1) asked = failing.alloc_index;
        if (round == 1) failing.fail_index = asked;
        try client.send(plain);
        for ([_]u16{ 200, 200, 200, 404, 405 }) |status| try std.testing.expectEqual(status, (try client.receive()).status);
        try std.testing.expectEqual(@as(u16, 200), (try client.receiveHead()).status);
    }
    try std.testing.expectEqual(asked, failing.alloc_index);
    try std.testing.expect(!failing.has_induced_failure);

    try client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\nPUT /fiber HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na");
    try std.testing.expectEqual(@as(u16, 503), (try client.receive()).status);
    try std.testing.expectEqual(@as(u16, 500), (try client.receive()).status);
    try client.send("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 101), (try client.receiveHead()).status);
    try client.send("\x81\x82\x00\x00\x00\x00hi");
    try std.testing.expect(try client.isEnded());
    try std.testing.expect(failing.has_induced_failure);

    failing.fail_index = std.math.maxInt(usize);
    var other: Client = try .connect(server.port());
    defer other.close();
    try other.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    try std.testing.expectEqualStrings("later", (try other.receive()).body);
    try served.finish();
}
