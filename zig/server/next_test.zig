//! `Next.go` and `Next.submit` behind real sockets.

const std = @import("std");
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Context = sws.Context;
const DeferredResponse = sws.DeferredResponse;
const Fiber = sws.Fiber;
const Next = sws.Next;
const Client = @import("testing/client.zig").Client;
const served_of = @import("testing/served.zig");
const Served = served_of.Served;

const small: sws.Config = blk: {
    var config = served_of.small;
    config.deferred_max = 64;
    config.worker_fibers_max = 16;
    break :blk config;
};

const Fixture = struct {
    served: *Served,
    server: *AsyncServer,
    /// What tasks wait for that wait for the test.
    gate: std.atomic.Value(bool) = .init(false),
    begun: std.atomic.Value(u32) = .init(0),
    done: std.atomic.Value(u32) = .init(0),
    completed_by: std.atomic.Value(std.Thread.Id) = .init(0),

    fn start(config: sws.Config, workers: u32) !*Fixture {
        const fixture = try std.testing.allocator.create(Fixture);
        errdefer std.testing.allocator.destroy(fixture);
        const served: *Served = try .create(config, fixture);
        errdefer served.destroy();
        const server = &served.server;
        fixture.* = .{ .served = served, .server = server };
        server.GET("/go/:n", Tasks(.go, countUp).handler);
        server.GET("/submit/:n", Tasks(.submit, countUp).handler);
        server.GET("/go-wait/:n", Tasks(.go, waitForGate).handler);
        server.GET("/submit-wait/:n", Tasks(.submit, waitForGate).handler);
        server.GET("/go-lost/:n", Detached(.go, false).handler);
        server.GET("/submit-lost/:n", Detached(.submit, false).handler);
        server.GET("/go-fire/:n", Detached(.go, true).handler);
        server.GET("/submit-fire/:n", Detached(.submit, true).handler);
        server.GET("/complete", submitComplete);
        server.GET("/plain", plain);
        server.POST("/report/:name", sws.yielding(report));
        if (workers > 0) try server.initPool4NextSubmit(workers);
        try served.start();
        return fixture;
    }

    fn finish(fixture: *Fixture) !void {
        defer std.testing.allocator.destroy(fixture);
        try fixture.served.finish();
    }

    fn waitUntil(value: *std.atomic.Value(u32), wanted: u32) !void {
        for (0..20_000) |_| {
            if (value.load(.acquire) >= wanted) return;
            sleepMs(1);
        }
        return error.Timeout;
    }
};

fn sleepMs(ms: u31) void {
    const time: std.os.linux.timespec = .{ .sec = 0, .nsec = ms * std.time.ns_per_ms };
    _ = std.os.linux.nanosleep(&time, null);
}

// As in the seed: the context and the response belong to `exec`.

const Ctx = struct { allocator: std.mem.Allocator, resp: *DeferredResponse, fixture: *Fixture, number: u32 };

const Way = enum { go, submit };

fn Tasks(comptime way: Way, comptime exec: Next.Exec(Ctx)) type {
    return struct {
        fn handler(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
            const s: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
            const number = try std.fmt.parseInt(u32, ctx.param("n").?, 10);
            const resp = try allocator.create(DeferredResponse);
            errdefer allocator.destroy(resp);
            resp.* = .{ .server = s, .conn_id = ctx.conn_id, .allocator = allocator };
            ctx.deferred = true;
            const fixture: *Fixture = @ptrCast(@alignCast(ctx.app_ctx.?));
            const c: Ctx = .{ .allocator = allocator, .resp = resp, .fixture = fixture, .number = number };
            if (way == .go) try Next.go(Ctx, c, exec) else try Next.submit(Ctx, c, exec);
        }
    };
}

fn countUp(c: *Ctx, complete: *const fn (?*anyopaque, []const u8) void) void {
    defer c.allocator.destroy(c);
    defer c.allocator.destroy(c.resp);
    var numbers: [16]u32 = undefined;
    for (&numbers, 0..) |*number, i| {
        number.* = c.number + @as(u32, @intCast(i));
        Fiber.yield();
    }
    var sum: u32 = 0;
    for (numbers) |number| sum += number;
    answer(c, sum);
    complete(c, "");
}

fn waitForGate(c: *Ctx, complete: *const fn (?*anyopaque, []const u8) void) void {
    defer c.allocator.destroy(c);
    defer c.allocator.destroy(c.resp);
    _ = c.fixture.begun.fetchAdd(1, .acq_rel);
    Fiber.workerYield(isOpen, c.fixture);
    answer(c, c.number);
    _ = c.fixture.done.fetchAdd(1, .acq_rel);
    complete(c, "");
}

/// A task that holds nothing, and waits for the gate, after its request is answered or while that waits.
fn Detached(comptime way: Way, comptime is_answered: bool) type {
    return struct {
        fixture: *Fixture,
        allocator: std.mem.Allocator,

        const Self = @This();

        fn handler(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
            if (!is_answered) ctx.deferred = true;
            const c: Self = .{ .fixture = @ptrCast(@alignCast(ctx.app_ctx.?)), .allocator = allocator };
            if (way == .go) try Next.go(Self, c, exec) else try Next.submit(Self, c, exec);
            if (is_answered) ctx.text(200, "fired");
        }

        fn exec(c: *Self, _: *const fn (?*anyopaque, []const u8) void) void {
            const fixture = c.fixture;
            c.allocator.destroy(c);
            _ = fixture.begun.fetchAdd(1, .acq_rel);
            Fiber.workerYield(isOpen, fixture);
            _ = fixture.done.fetchAdd(1, .acq_rel);
        }
    };
}

fn isOpen(context: *anyopaque) bool {
    return @as(*Fixture, @ptrCast(@alignCast(context))).gate.load(.acquire);
}

fn answer(c: *Ctx, number: u32) void {
    var text: [32]u8 = undefined;
    c.resp.json(200, std.fmt.bufPrint(&text, "[{d}]", .{number}) catch unreachable);
}

fn plain(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.text(200, "plain");
}

/// Without an allocator: the task's, and freed by it.
const Completing = struct {
    response: DeferredResponse,
    fixture: *Fixture,
    seen: [8]u8 = undefined,
    seen_len: usize = 0,

    pub fn onComplete(c: *Completing, result: []const u8) void {
        c.fixture.completed_by.store(std.Thread.getCurrentId(), .release);
        @memcpy(c.seen[0..result.len], result);
        c.seen_len = result.len;
    }

    fn exec(c: *Completing, complete: *const fn (?*anyopaque, []const u8) void) void {
        std.debug.assert(std.Thread.getCurrentId() != c.fixture.served.loop.load(.acquire));
        var result: [8]u8 = "complete".*;
        complete(c, &result);
        c.response.text(200, c.seen[0..c.seen_len]);
    }
};

fn submitComplete(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const s: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
    ctx.deferred = true;
    try Next.submit(Completing, .{
        .response = .{ .server = s, .conn_id = ctx.conn_id, .allocator = s.allocator },
        .fixture = @ptrCast(@alignCast(ctx.app_ctx.?)),
    }, Completing.exec);
}

/// Sees its request as it was, however long it waits.
fn report(allocator: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    for (0..10) |_| Fiber.yield();
    Fiber.workerYield(isOpen, ctx.app_ctx.?);
    if (ctx.query() == null) return error.OutOfCheese;
    if (std.mem.eql(u8, ctx.query().?, "silent")) return;
    const text = try std.fmt.allocPrint(allocator, "{s} {s} {s} {s} {s} {s}", .{
        ctx.method(),           ctx.path(),          ctx.query().?,
        ctx.header("x-mark").?, ctx.param("name").?, ctx.body(),
    });
    defer allocator.free(text);
    Fiber.sleep(1);
    ctx.text(200, text);
    Fiber.yield();
}

fn get(client: *Client, comptime path: []const u8, arguments: anytype) !void {
    var text: [128]u8 = undefined;
    try client.send(try std.fmt.bufPrint(&text, "GET " ++ path ++ " HTTP/1.1\r\nHost: a\r\n\r\n", arguments));
}

test "tasks of Next.go yield in mid-frame, more of them than fibers, and each answers its own request" {
    const fixture = try Fixture.start(small, 0);
    const clients = try std.testing.allocator.alloc(Client, 20);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| client.* = try .connect(fixture.server.port());
    defer for (clients) |*client| client.close();
    for (0..10) |round| {
        for (clients, 0..) |*client, i| try get(client, "/go/{d}", .{round * 1000 + i});
        for (clients, 0..) |*client, i| {
            const response = try client.receive();
            var text: [32]u8 = undefined;
            const expected = try std.fmt.bufPrint(&text, "[{d}]", .{16 * (round * 1000 + i) + 120});
            try std.testing.expectEqual(@as(u16, 200), response.status);
            try std.testing.expectEqualStrings("application/json", response.header("content-type").?);
            try std.testing.expectEqualStrings(expected, response.body);
        }
    }
    const used_max = fixture.server.next.scheduler.used_max;
    try fixture.finish();
    try std.testing.expect(used_max > 1 and used_max <= 8);
}

test "tasks of Next.submit run on the workers' threads, and each answers its own request" {
    const fixture = try Fixture.start(small, 2);
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    for (0..200) |i| {
        try get(&client, "/submit/{d}", .{i});
        var text: [32]u8 = undefined;
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&text, "[{d}]", .{16 * i + 120}), (try client.receive()).body);
    }
    try fixture.finish();
}

test "one worker begins many tasks that wait by workerYield, and takes others meanwhile" {
    const fixture = try Fixture.start(small, 1);
    const clients = try std.testing.allocator.alloc(Client, 12);
    defer std.testing.allocator.free(clients);
    for (clients, 0..) |*client, i| {
        client.* = try .connect(fixture.server.port());
        try get(client, "/submit-wait/{d}", .{i});
    }
    defer for (clients) |*client| client.close();
    try Fixture.waitUntil(&fixture.begun, 12);
    try std.testing.expectEqual(@as(u32, 0), fixture.done.load(.acquire));
    var other: Client = try .connect(fixture.server.port());
    defer other.close();
    try get(&other, "/submit/1", .{});
    try std.testing.expectEqualStrings("[136]", (try other.receive()).body);
    fixture.gate.store(true, .release);
    for (clients, 0..) |*client, i| {
        var text: [32]u8 = undefined;
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&text, "[{d}]", .{i}), (try client.receive()).body);
    }
    try fixture.finish();
}

test "what a worker completes is given to onComplete on the loop's thread, before complete returns" {
    const fixture = try Fixture.start(small, 1);
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    for (0..20) |_| {
        try get(&client, "/complete", .{});
        try std.testing.expectEqualStrings("complete", (try client.receive()).body);
        try std.testing.expectEqual(fixture.served.loop.load(.acquire), fixture.completed_by.load(.acquire));
    }
    try fixture.finish();
}

test "workerYield on the loop's thread is asked there, and holds nobody up" {
    const fixture = try Fixture.start(small, 0);
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try get(&client, "/go-wait/7", .{});
    try Fixture.waitUntil(&fixture.begun, 1);
    var other: Client = try .connect(fixture.server.port());
    defer other.close();
    try get(&other, "/plain", .{});
    try std.testing.expectEqualStrings("plain", (try other.receive()).body);
    // No event says so: the loop has to look.
    fixture.gate.store(true, .release);
    try std.testing.expectEqualStrings("[7]", (try client.receive()).body);
    try fixture.finish();
}

test "who comes when all fibers are taken waits, and when too many wait is told 503" {
    std.testing.log_level = .err;
    var config = small;
    config.fibers_max = 2;
    config.tasks_max = 4;
    const fixture = try Fixture.start(config, 0);
    const clients = try std.testing.allocator.alloc(Client, 6);
    defer std.testing.allocator.free(clients);
    defer for (clients) |*client| client.close();
    for (clients[0..2], 0..) |*client, i| {
        client.* = try .connect(fixture.server.port());
        try get(client, "/go-wait/{d}", .{i});
    }
    try Fixture.waitUntil(&fixture.begun, 2);
    var last: Client = try .connect(fixture.server.port());
    defer last.close();
    for (clients[2..], 2..) |*client, i| {
        client.* = try .connect(fixture.server.port());
        try get(client, "/go-wait/{d}", .{i});
        // One after the other: they arrived when another request of the loop's is answered.
        try get(&last, "/plain", .{});
        try std.testing.expectEqual(@as(u16, 200), (try last.receive()).status);
    }
    try get(&last, "/go-wait/9", .{});
    const refused = try last.receive();
    try std.testing.expectEqual(@as(u16, 503), refused.status);
    try std.testing.expectEqualStrings("too many tasks wait already\n", refused.body);
    fixture.gate.store(true, .release);
    for (clients, 0..) |*client, i| {
        var text: [32]u8 = undefined;
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&text, "[{d}]", .{i}), (try client.receive()).body);
    }
    try get(&last, "/go/0", .{});
    try std.testing.expectEqualStrings("[120]", (try last.receive()).body);
    try std.testing.expectEqual(@as(u64, 1), fixture.server.next.refused);
    try fixture.finish();
}

test "without workers a submit says so, and where there is no loop go does" {
    std.testing.log_level = .err;
    try std.testing.expectError(error.NotOnLoop, Next.go(Completing, undefined, Completing.exec));
    const fixture = try Fixture.start(small, 0);
    var client: Client = try .connect(fixture.server.port());
    defer client.close();
    try get(&client, "/submit/1", .{});
    // At once, and not when the time for deferred answers is over.
    try std.testing.expectEqual(@as(u16, 500), (try client.receive()).status);
    try std.testing.expectError(error.InvalidConfig, fixture.server.initPool4NextSubmit(0));
    try fixture.finish();
}

test "a server that stops lets the tasks under way end, and answers their requests" {
    for ([_][]const u8{ "go", "submit" }) |way| for ([_][]const u8{ "wait", "fire" }) |kind| {
        const fixture = try Fixture.start(small, 1);
        var client: Client = try .connect(fixture.server.port());
        defer client.close();
        var text: [64]u8 = undefined;
        try client.send(try std.fmt.bufPrint(&text, "GET /{s}-{s}/5 HTTP/1.1\r\nHost: a\r\n\r\n", .{ way, kind }));
        // Its request is answered, and no connection waits for it.
        if (kind[0] == 'f') try std.testing.expectEqualStrings("fired", (try client.receive()).body);
        try Fixture.waitUntil(&fixture.begun, 1);
        fixture.server.stop();
        sleepMs(30);
        try std.testing.expectEqual(@as(u32, 0), fixture.done.load(.acquire));
        fixture.gate.store(true, .release);
        if (kind[0] == 'w') try std.testing.expectEqualStrings("[5]", (try client.receive()).body);
        fixture.served.thread.join();
        defer std.testing.allocator.destroy(fixture);
        defer fixture.served.destroy();
        try std.testing.expectEqual(@as(usize, 0), fixture.server.next.pending());
        try std.testing.expectEqual(@as(u32, 1), fixture.done.load(.acquire));
        try std.testing.expectEqual(@as(u64, 0), fixture.server.next.abandoned);
    };
}

test "a task that doesn't end in time is given up, and counted" {
    std.testing.log_level = .err;
    for ([_][]const u8{ "go", "submit" }) |way| {
        var config = small;
        config.stop_timeout_ms = 50;
        const fixture = try Fixture.start(config, 1);
        var client: Client = try .connect(fixture.server.port());
        defer client.close();
        var text: [64]u8 = undefined;
        try client.send(try std.fmt.bufPrint(&text, "GET /{s}-lost/5 HTTP/1.1\r\nHost: a\r\n\r\n", .{way}));
        try Fixture.waitUntil(&fixture.begun, 1);
        fixture.server.stop();
        fixture.served.thread.join();
        try std.testing.expectEqual(@as(u64, 1), fixture.server.next.abandoned);
        fixture.served.destroy();
        std.testing.allocator.destroy(fixture);
    }
}

test "a handler on a fiber sees its own request after others came, and answers it" {
    std.testing.log_level = .err;
    var config = small;
    // What the kernel wrote the request into is written over soon.
    config.buffer_pool_size = 16;
    const fixture = try Fixture.start(config, 0);
    const clients = try std.testing.allocator.alloc(Client, 9);
    defer std.testing.allocator.free(clients);
    for (clients) |*client| client.* = try .connect(fixture.server.port());
    defer for (clients) |*client| client.close();
    const other = &clients[8];
    var text: [512]u8 = undefined;
    const wanted = "POST /report/n%20{d}?q={d} HTTP/1.1\r\nHost: a\r\nX-Mark: m{d}\r\nContent-Length: 2\r\n\r\n{d}!";
    const plain_request = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n";
    for (clients[0..8], 0..) |*client, i| {
        try client.send(try std.fmt.bufPrint(&text, wanted ++ "{s}", .{ i, i, i, i, if (i % 2 == 0) plain_request else "" }));
    }
    for (0..40) |_| {
        try get(other, "/plain?{s}", .{"x" ** 60});
        try std.testing.expectEqualStrings("plain", (try other.receive()).body);
    }
    fixture.gate.store(true, .release);
    for (clients[0..8], 0..) |*client, i| {
        const expected = try std.fmt.bufPrint(&text, "POST /report/n%20{d} q={d} m{d} n {d} {d}!", .{ i, i, i, i, i });
        try std.testing.expectEqualStrings(expected, (try client.receive()).body);
        if (i % 2 == 0) try std.testing.expectEqualStrings("plain", (try client.receive()).body);
    }
    for ([_][]const u8{ "", "?silent" }, [_][]const u8{ "internal server error\n", "the handler gave no answer\n" }) |query, expected| {
        const failing = "POST /report/x{s} HTTP/1.1\r\nHost: a\r\nX-Mark: 1\r\nContent-Length: 0\r\n\r\n";
        try other.send(try std.fmt.bufPrint(&text, failing, .{query}));
        const response = try other.receive();
        try std.testing.expectEqual(@as(u16, 500), response.status);
        try std.testing.expectEqualStrings(expected, response.body);
    }
    try fixture.finish();
}

test "the loop sleeps until a fiber has something to do, and no longer" {
    const Loop = @import("next.zig").Loop;
    var next: Next = try .init(std.testing.allocator, &small);
    defer next.deinit();
    next.own(std.mem.zeroInit(Loop, .{ .server = &next, .respond = undefined, .invoke = undefined }));
    const Step = struct {
        gate: *Fixture,

        fn run(c: *@This(), _: *const fn (?*anyopaque, []const u8) void) void {
            Fiber.sleep(20);
            Fiber.workerYield(isOpen, c.gate);
        }
    };
    const fixture = try std.testing.allocator.create(Fixture);
    defer std.testing.allocator.destroy(fixture);
    fixture.gate = .init(false);
    try std.testing.expectEqual(Fiber.never, next.wakeAtMs(100, 10));
    try Next.go(Step, .{ .gate = fixture }, Step.run);
    try std.testing.expectEqual(@as(u64, 100), next.wakeAtMs(100, 10));
    next.turn(100);
    try std.testing.expectEqual(@as(u64, 120), next.wakeAtMs(101, 10));
    next.turn(121);
    try std.testing.expectEqual(@as(u64, 131), next.wakeAtMs(121, 10));
    fixture.gate.store(true, .release);
    next.turn(131);
    try std.testing.expectEqual(Fiber.never, next.wakeAtMs(131, 10));
}
