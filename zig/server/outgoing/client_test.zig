//! Connections to elsewhere over real sockets.

const std = @import("std");
const sws = @import("../root.zig");
const Loop = @import("../testing/loop.zig").Loop;
const upstream_of = @import("../testing/upstream.zig");
const Client = sws.RingSharedClient;
const Peer = upstream_of.Peer;
const Upstream = upstream_of.Upstream;
const allocator = std.testing.allocator;

/// What a client was told.
const Told = struct {
    bytes: std.ArrayList(u8) = .empty,
    connected: bool = false,
    closed: bool = false,
    drained: bool = false,
    has_all: bool = false,
    /// `has_all` once so many bytes came.
    wanted: usize = 1,
    client: *Client = undefined,
    pauses: bool = false,

    fn of(ctx: ?*anyopaque) *Told {
        return @ptrCast(@alignCast(ctx.?));
    }

    fn onData(ctx: ?*anyopaque, data: []u8) void {
        const told = of(ctx);
        told.bytes.appendSlice(allocator, data) catch unreachable;
        told.has_all = told.bytes.items.len >= told.wanted;
        if (told.pauses) told.client.pauseReading();
    }

    fn onClose(ctx: ?*anyopaque) void {
        of(ctx).closed = true;
    }

    fn onConnect(ctx: ?*anyopaque) void {
        of(ctx).connected = true;
    }

    fn onDrained(ctx: ?*anyopaque) void {
        of(ctx).drained = true;
    }

    fn create(told: *Told, loop: *Loop) !void {
        told.client = try .init(allocator, loop.server.rs, onData, onClose, told);
        told.client.on_connect = onConnect;
        told.client.on_drained = onDrained;
    }

    /// To an upstream that is started.
    fn connectTo(told: *Told, loop: *Loop, upstream: *Upstream, context: *anyopaque) !void {
        upstream.context = context;
        try upstream.start();
        try loop.begin();
        try told.create(loop);
        errdefer told.destroy();
        try told.client.connect("127.0.0.1", upstream.port);
    }

    fn destroy(told: *Told) void {
        told.client.deinit();
        told.bytes.deinit(allocator);
    }
};

fn echo(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [4096]u8 = undefined;
    while (true) {
        const bytes = peer.receive(&buffer) catch return;
        if (bytes.len == 0) return;
        peer.send(bytes) catch return;
    }
}

test "a client that connects before the loop runs is answered, and its end is told once" {
    const upstream: *Upstream = try .create(echo);
    try upstream.start();
    const loop: *Loop = try .create(.{});
    var told: Told = .{ .wanted = "hello, you".len };
    try told.create(loop);
    defer told.destroy();
    try told.client.connect("127.0.0.1", upstream.port);
    try told.client.write("hello, ");
    try std.testing.expectError(error.AlreadyConnected, told.client.connect("127.0.0.1", 1));
    try loop.begin();
    try loop.until(&told.connected);
    try told.client.write("you");
    try loop.until(&told.has_all);
    try std.testing.expectEqualStrings("hello, you", told.bytes.items);
    try std.testing.expect(!told.closed);
    told.client.close();
    try std.testing.expect(told.closed);
    try std.testing.expectEqual(null, told.client.failure);
    try std.testing.expectError(error.NotConnected, told.client.write("more"));
    try loop.finish();
    try upstream.finish();
}

test "clients that are closed or gone before the loop runs are left alone by it" {
    const loop: *Loop = try .create(.{});
    var told: [2]Told = .{ .{}, .{} };
    for (&told) |*one| {
        try one.create(loop);
        try one.client.connect("127.0.0.1", try upstream_of.closedPort());
    }
    told[0].client.close();
    try std.testing.expect(told[0].closed);
    told[1].destroy();
    try loop.begin();
    try loop.turnFor(30);
    try std.testing.expect(!told[1].closed and loop.server.rs.isIdle());
    told[0].destroy();
    try loop.finish();
}

/// Everything that is sent until the end, as a sum.
const Sum = struct { bytes: u64 = 0, hash: std.hash.Wyhash = .init(0) };

fn sumUp(peer: Peer, upstream: *Upstream) anyerror!void {
    const sum: *Sum = @ptrCast(@alignCast(upstream.context.?));
    // The client's queue fills meanwhile.
    upstream_of.sleepMs(200);
    var buffer: [4096]u8 = undefined;
    while (true) {
        const bytes = try peer.receive(&buffer);
        if (bytes.len == 0) break;
        sum.bytes += bytes.len;
        sum.hash.update(bytes);
    }
}

test "a peer that reads slowly is felt, and a graceful end loses nothing" {
    const upstream: *Upstream = try .create(sumUp);
    var sum: Sum = .{};
    const loop: *Loop = try .create(.{});
    var told: Told = .{};
    try told.connectTo(loop, upstream, &sum);
    defer told.destroy();
    try loop.until(&told.connected);

    var expected: Sum = .{};
    var random: std.Random.DefaultPrng = .init(1);
    var chunk: [5000]u8 = undefined;
    var refused: u32 = 0;
    while (expected.bytes < 20_000_000) {
        random.random().bytes(&chunk);
        while (true) {
            told.drained = false;
            told.client.write(&chunk) catch |err| {
                try std.testing.expectEqual(error.WriteQueueFull, err);
                refused += 1;
                try loop.until(&told.drained);
                continue;
            };
            break;
        }
        expected.bytes += chunk.len;
        expected.hash.update(&chunk);
    }
    try std.testing.expect(refused > 0);
    told.client.close();
    try loop.finish();
    try upstream.finish();
    try std.testing.expectEqual(expected.bytes, sum.bytes);
    try std.testing.expectEqual(expected.hash.final(), sum.hash.final());
}

fn echoAndCount(peer: Peer, upstream: *Upstream) anyerror!void {
    const count: *usize = @ptrCast(@alignCast(upstream.context.?));
    var buffer: [4096]u8 = undefined;
    while (true) {
        const bytes = try peer.receive(&buffer);
        if (bytes.len == 0) return;
        count.* += bytes.len;
        try peer.send(bytes);
    }
}

test "an end reads away what the other side wants to be rid of first" {
    const upstream: *Upstream = try .create(echoAndCount);
    var count: usize = 0;
    const loop: *Loop = try .create(.{});
    var told: Told = .{};
    try told.connectTo(loop, upstream, &count);
    defer told.destroy();
    try loop.until(&told.connected);
    told.client.pauseReading();
    // Until both sides wait for the other to read.
    var written: usize = 0;
    var stuck: u32 = 0;
    while (stuck < 20) {
        if (told.client.write(&@as([8192]u8, @splat('e')))) |_| {
            written += 8192;
            stuck = 0;
        } else |_| {
            stuck += 1;
            try loop.turnFor(10);
        }
    }
    told.client.close();
    try loop.finish();
    try upstream.finish();
    try std.testing.expectEqual(written, count);
}

fn flood(peer: Peer, upstream: *Upstream) anyerror!void {
    const sent: *std.atomic.Value(usize) = @ptrCast(@alignCast(upstream.context.?));
    const chunk: [64 * 1024]u8 = @splat('x');
    for (0..1000) |_| {
        peer.send(&chunk) catch return;
        _ = sent.fetchAdd(chunk.len, .acq_rel);
    }
}

test "who doesn't read is not flooded, and reads on where it stopped" {
    const upstream: *Upstream = try .create(flood);
    var sent: std.atomic.Value(usize) = .init(0);
    const loop: *Loop = try .create(.{});
    var told: Told = .{ .pauses = true };
    try told.connectTo(loop, upstream, &sent);
    defer told.destroy();
    try loop.until(&told.has_all);
    try loop.turnFor(100);
    // One receive, and not a byte of the rest, although the kernel has megabytes by now.
    const first = told.bytes.items.len;
    try std.testing.expect(first <= loop.server.rs.sockets.options.receive_bytes);
    try std.testing.expect(sent.load(.acquire) > first);
    told.pauses = false;
    told.has_all = false;
    told.wanted = 4 << 20;
    told.client.resumeReading();
    try loop.until(&told.has_all);
    told.client.close();
    try loop.finish();
    try upstream.finish();
}

fn resetAtOnce(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [16]u8 = undefined;
    _ = try peer.receive(&buffer);
    peer.resetOnClose();
}

fn finishAtOnce(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [5]u8 = undefined;
    try peer.receiveExactly(&buffer);
    try peer.send("bye");
}

test "every way to end has its name" {
    const loop: *Loop = try .create(.{});
    try loop.begin();
    var told: Told = .{ .wanted = 3 };
    try told.create(loop);
    defer told.destroy();
    const client = told.client;

    try client.connect("127.0.0.1", try upstream_of.closedPort());
    try loop.until(&told.closed);
    try std.testing.expectEqual(error.ConnectionRefused, client.failure.?);

    for ([_]*const fn (Peer, *Upstream) anyerror!void{ resetAtOnce, finishAtOnce }, [_]anyerror{ error.ConnectionReset, error.EndOfStream }) |serve, failure| {
        const upstream: *Upstream = try .create(serve);
        try upstream.start();
        told.closed = false;
        told.bytes.clearRetainingCapacity();
        try client.connect("127.0.0.1", upstream.port);
        try client.write("hello");
        try loop.until(&told.closed);
        try std.testing.expectEqual(failure, client.failure.?);
        try upstream.finish();
    }
    try std.testing.expectEqualStrings("bye", told.bytes.items);

    const full = try upstream_of.Full.create();
    defer full.close();
    told.closed = false;
    client.connect_timeout_ms = 200;
    try client.connect("127.0.0.1", full.port);
    try loop.until(&told.closed);
    try std.testing.expectEqual(error.TimedOut, client.failure.?);
    try loop.finish();
}

test "the loop's end closes what is open, and tells" {
    const upstream: *Upstream = try .create(echo);
    try upstream.start();
    const loop: *Loop = try .create(.{});
    try loop.begin();
    var told: Told = .{};
    try told.create(loop);
    defer told.destroy();
    try told.client.connect("127.0.0.1", upstream.port);
    try loop.until(&told.connected);
    try loop.finish();
    try std.testing.expect(told.closed);
    try upstream.finish();
}

test "sockets run out with an error, and come back" {
    const upstream: *Upstream = try .create(echo);
    try upstream.start();
    const loop: *Loop = try .create(.{ .outgoing_max = 1 });
    try loop.begin();
    var told: [2]Told = .{ .{}, .{} };
    for (&told) |*one| try one.create(loop);
    defer for (&told) |*one| one.destroy();
    try told[0].client.connect("127.0.0.1", upstream.port);
    try std.testing.expectError(error.TooManySockets, told[1].client.connect("127.0.0.1", upstream.port));
    try loop.until(&told[0].connected);
    told[0].client.close();
    while (!loop.server.rs.isIdle()) try loop.turnFor(1);
    try told[1].client.connect("127.0.0.1", upstream.port);
    try told[1].client.write("hello");
    try loop.until(&told[1].has_all);
    told[1].client.close();
    try loop.finish();
    try upstream.finish();
}
