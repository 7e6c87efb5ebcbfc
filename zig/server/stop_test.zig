//! What the end of a server leaves behind of what wasn't done: nothing. `std.testing.allocator` looks for what wasn't freed.

const std = @import("std");
const sws = @import("root.zig");
const AsyncServer = sws.AsyncServer;
const Client = @import("testing/client.zig").Client;
const Fiber = sws.Fiber;
const Loop = @import("testing/loop.zig").Loop;
const Next = sws.Next;
const upstream_of = @import("testing/upstream.zig");
const Peer = upstream_of.Peer;
const Upstream = upstream_of.Upstream;

const Complete = *const fn (?*anyopaque, []const u8) void;

fn end(loop: *Loop) void {
    loop.server.deinit();
    std.testing.allocator.destroy(loop);
}

test "a broadcast that was accepted from another thread, and never sent, is given back" {
    const loop: *Loop = try .create(.{});
    try loop.begin();
    try std.testing.expect(try loop.server.broadcastFromAnyThread("topic", .text, "payload"));
    end(loop);
}

test "threads for tasks are refused once the server runs" {
    const loop: *Loop = try .create(.{});
    try loop.begin();
    try std.testing.expectError(error.AlreadyRunning, loop.server.initPool4NextSubmit(1));
    try std.testing.expectError(error.NoWorkers, Next.submit(Parked, .{ .discarded = undefined }, Parked.exec));
    try loop.finish();
}

/// Waits for what never comes.
const Parked = struct {
    discarded: *u32,

    fn exec(_: *Parked, _: Complete) void {
        while (true) Fiber.park();
    }

    pub fn onDiscard(c: *Parked) void {
        c.discarded.* += 1;
    }
};

/// The same, of a context that is `exec`'s.
const Owned = struct {
    allocator: std.mem.Allocator,
    discarded: *u32,

    fn exec(c: *Owned, _: Complete) void {
        c.allocator.destroy(c);
        while (true) Fiber.park();
    }

    pub fn onDiscard(c: *Owned) void {
        c.discarded.* += 1;
    }
};

test "tasks that are not done, begun or not, are told and freed once" {
    std.testing.log_level = .err;
    const loop: *Loop = try .create(.{ .fibers_max = 2, .tasks_max = 4, .stop_timeout_ms = 10 });
    try loop.begin();
    var parked: u32 = 0;
    var owned: u32 = 0;
    try Next.go(Parked, .{ .discarded = &parked }, Parked.exec);
    try Next.go(Owned, .{ .allocator = std.testing.allocator, .discarded = &owned }, Owned.exec);
    // No fiber is left for these.
    try Next.go(Parked, .{ .discarded = &parked }, Parked.exec);
    try Next.go(Owned, .{ .allocator = std.testing.allocator, .discarded = &owned }, Owned.exec);
    try loop.server.turn();
    try std.testing.expectEqual(@as(usize, 4), loop.server.next.pending());
    loop.server.stop();
    while (!loop.server.isDone()) try loop.server.turn();
    end(loop);
    try std.testing.expectEqual(@as(u32, 2), parked);
    // What had begun was its own, and it had destroyed it.
    try std.testing.expectEqual(@as(u32, 1), owned);
}

fn parkForEver(_: std.mem.Allocator, _: *sws.FiberContext) anyerror!void {
    while (true) Fiber.park();
}

test "the copy of its request of a handler that is given up is freed" {
    std.testing.log_level = .err;
    const loop: *Loop = try .create(.{ .stop_timeout_ms = 10 });
    loop.server.GET("/park", sws.yielding(parkForEver));
    try loop.begin();
    var client: Client = try .connect(loop.server.port());
    defer client.close();
    try client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
    while (loop.server.next.pending() == 0) try loop.server.turn();
    loop.server.stop();
    while (!loop.server.isDone()) try loop.server.turn();
    end(loop);
}

/// Completes when the loop has ended.
const Late = struct {
    allocator: std.mem.Allocator,
    begun: *std.atomic.Value(bool),
    gate: *std.atomic.Value(bool),
    completed: *std.atomic.Value(bool),
    returned: *std.atomic.Value(bool),

    fn exec(c: *Late, complete: Complete) void {
        defer c.allocator.destroy(c);
        c.begun.store(true, .release);
        while (!c.gate.load(.acquire)) upstream_of.sleepMs(1);
        complete(c, "");
        c.returned.store(true, .release);
    }

    pub fn onComplete(c: *Late, _: []const u8) void {
        c.completed.store(true, .release);
    }
};

test "onComplete never runs when the loop has ended, and its task goes on without it" {
    std.testing.log_level = .err;
    const loop: *Loop = try .create(.{ .stop_timeout_ms = 10 });
    try loop.server.initPool4NextSubmit(1);
    try loop.begin();
    var flags: [4]std.atomic.Value(bool) = @splat(.init(false));
    const late: Late = .{ .allocator = std.testing.allocator, .begun = &flags[0], .gate = &flags[1], .completed = &flags[2], .returned = &flags[3] };
    try Next.submit(Late, late, Late.exec);
    while (!flags[0].load(.acquire)) try loop.server.turn();
    loop.server.stop();
    while (!loop.server.isDone()) try loop.server.turn();
    // The worker is told to end as soon as it doesn't compute. It still does.
    flags[1].store(true, .release);
    end(loop);
    try std.testing.expect(!flags[2].load(.acquire));
    try std.testing.expect(flags[3].load(.acquire));
}

fn sayHalf(peer: Peer, _: *Upstream) anyerror!void {
    try peer.send("half of it");
    var buffer: [16]u8 = undefined;
    _ = peer.receive(&buffer) catch {};
}

const Reading = struct {
    pipe: *sws.Pipe,
    port: u16,
    begun: *bool,
    outcome: *?anyerror,

    fn exec(c: *Reading, _: Complete) void {
        c.read() catch |err| {
            c.outcome.* = err;
        };
    }

    fn read(c: *Reading) !void {
        try c.pipe.connect("127.0.0.1", c.port);
        _ = try c.pipe.reader().peekByte();
        c.begun.* = true;
        _ = try c.pipe.reader().discardRemaining();
    }
};

test "half a stream does not look whole because the server stops" {
    const upstream: *Upstream = try .create(sayHalf);
    try upstream.start();
    const loop: *Loop = try .create(.{});
    try loop.begin();
    var pipe: sws.Pipe = undefined;
    const client: *sws.RingSharedClient = try .init(std.testing.allocator, loop.server.rs, sws.Pipe.onData, sws.Pipe.onClose, &pipe);
    pipe = try .init(std.testing.allocator, client);
    var begun = false;
    var outcome: ?anyerror = null;
    try Next.go(Reading, .{ .pipe = &pipe, .port = upstream.port, .begun = &begun, .outcome = &outcome }, Reading.exec);
    try loop.until(&begun);
    loop.server.stop();
    while (!loop.server.isDone()) try loop.server.turn();
    try std.testing.expectEqual(@as(?anyerror, error.ReadFailed), outcome);
    try std.testing.expectEqual(@as(?sws.Pipe.Failure, error.Stopping), pipe.failure);
    client.deinit();
    pipe.deinit();
    try loop.finish();
    try upstream.finish();
}

/// Reads the request, says so, and never answers.
fn neverAnswer(peer: Peer, upstream: *Upstream) anyerror!void {
    var buffer: [4096]u8 = undefined;
    _ = peer.receiveUntil(&buffer, "\r\n\r\n") catch return;
    @as(*std.atomic.Value(bool), @ptrCast(@alignCast(upstream.context.?))).store(true, .release);
    _ = peer.receive(&buffer) catch return;
}

const Asking = struct {
    client: *sws.HttpClient,
    url: []const u8,
    outcome: *?anyerror,

    fn exec(c: *Asking, _: Complete) void {
        if (c.client.get(c.url)) |response| response.deinit() else |err| c.outcome.* = err;
    }
};

test "a stop ends requests to elsewhere, and those who wait for them are told" {
    const allocator = std.testing.allocator;
    const upstream: *Upstream = try .create(neverAnswer);
    var asked: std.atomic.Value(bool) = .init(false);
    upstream.context = &asked;
    try upstream.start();
    const loop: *Loop = try .create(.{ .stop_timeout_ms = 2_000 });
    var shared: sws.FiberShared = try .init(allocator);
    var ring: sws.HttpRing = try .init(allocator, std.testing.io, loop.server.io.parent(), 1000);
    var client: sws.HttpClient = try .initOptions(allocator, &ring, .{});
    try ring.registerWith(&shared);
    loop.server.fiber_shared = &shared;
    try loop.begin();
    var outcome: ?anyerror = null;
    var url: [64]u8 = undefined;
    const text = try std.fmt.bufPrint(&url, "http://127.0.0.1:{d}/", .{upstream.port});
    try Next.go(Asking, .{ .client = &client, .url = text, .outcome = &outcome }, Asking.exec);
    while (!asked.load(.acquire)) try loop.server.turn();
    loop.server.stop();
    while (!loop.server.isDone()) try loop.server.turn();
    try std.testing.expectEqual(@as(?anyerror, error.Stopping), outcome);
    try std.testing.expectEqual(@as(u64, 0), loop.server.next.abandoned);
    try loop.finish();
    client.deinit();
    ring.deinit();
    shared.deinit();
    try upstream.finish();
}
