//! Synchronous code on fibers over real connections.

const std = @import("std");
const sws = @import("../root.zig");
const upstream_of = @import("../testing/upstream.zig");
const Complete = @import("../next.zig").Complete;
const Loop = @import("../testing/loop.zig").Loop;
const Peer = upstream_of.Peer;
const Upstream = upstream_of.Upstream;
const allocator = std.testing.allocator;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;

/// A fiber with a pipe to somebody.
const Talk = struct {
    loop: *Loop,
    upstream: *Upstream,
    pipe: sws.Pipe = undefined,
    client: *sws.RingSharedClient = undefined,
    body: *const fn (talk: *Talk) anyerror!void,
    done: bool = false,
    failure: ?anyerror = null,

    fn create(serve: *const fn (Peer, *Upstream) anyerror!void, body: *const fn (talk: *Talk) anyerror!void, options: @import("pipe.zig").Options) !*Talk {
        const upstream: *Upstream = try .create(serve);
        try upstream.start();
        const loop: *Loop = try .create(.{});
        try loop.begin();
        const talk = try allocator.create(Talk);
        talk.* = .{ .loop = loop, .upstream = upstream, .body = body };
        talk.client = try .init(allocator, loop.server.rs, sws.Pipe.onData, sws.Pipe.onClose, &talk.pipe);
        talk.pipe = try .initOptions(allocator, talk.client, options);
        return talk;
    }

    const Ctx = struct { talk: *Talk };

    fn exec(ctx: *Ctx, complete: Complete) void {
        ctx.talk.body(ctx.talk) catch |err| {
            ctx.talk.failure = err;
        };
        ctx.talk.done = true;
        complete(ctx, "");
    }

    fn run(talk: *Talk) !void {
        try sws.Next.go(Ctx, .{ .talk = talk }, exec);
        try talk.loop.until(&talk.done);
        if (talk.failure) |err| return err;
    }

    fn finish(talk: *Talk) !void {
        talk.client.close();
        try talk.loop.finish();
        try talk.upstream.finish();
        talk.client.deinit();
        talk.pipe.deinit();
        allocator.destroy(talk);
    }
};

fn greet(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [256]u8 = undefined;
    while (peer.next(&buffer, "\n")) |line| {
        try peer.send("you ");
        upstream_of.sleepMs(10);
        try peer.send("said ");
        try peer.send(line);
        if (std.mem.eql(u8, line, "bye\n")) return;
    }
}

fn converse(talk: *Talk) anyerror!void {
    const pipe = &talk.pipe;
    try expectError(error.WriteFailed, writeNow(pipe));
    try pipe.connect("127.0.0.1", talk.upstream.port);
    for (0..3) |i| {
        try pipe.writer().print("number {d}\n", .{i});
        try pipe.flushWrite();
        var expected: [32]u8 = undefined;
        const line = try pipe.reader().takeDelimiterInclusive('\n');
        try std.testing.expectEqualStrings(try std.fmt.bufPrint(&expected, "you said number {d}\n", .{i}), line);
    }
    try pipe.writer().writeAll("bye\n");
    try pipe.flushWrite();
    // What came before the end is read to its end.
    sws.Fiber.sleep(50);
    var some: [6]u8 = undefined;
    try expectEqual(@as(usize, 6), try pipe.read(&some));
    try std.testing.expectEqualStrings("you sa", &some);
    try std.testing.expectEqualStrings("id bye\n", try pipe.reader().take(7));
    try expectEqual(@as(usize, 0), try pipe.read(&some));
    try expectError(error.EndOfStream, pipe.reader().takeByte());
    try expectError(error.WriteFailed, writeNow(pipe));
    // And again, with nothing of what was.
    try pipe.connect("127.0.0.1", talk.upstream.port);
    try pipe.writer().writeAll("bye\n");
    try pipe.flushWrite();
    try pipe.reader().discardAll(9);
    try std.testing.expectEqualStrings("bye", try pipe.reader().take(3));
}

fn writeNow(pipe: *sws.Pipe) !void {
    try pipe.writer().writeAll("anybody there?");
    defer pipe.out.end = 0;
    try pipe.flushWrite();
}

test "a fiber talks in turns, and reads what came before the end" {
    const talk: *Talk = try .create(greet, converse, .{});
    try talk.run();
    try talk.finish();
}

const flood_bytes = 30_000_000;

fn flood(peer: Peer, upstream: *Upstream) anyerror!void {
    const sent: *std.atomic.Value(usize) = @ptrCast(@alignCast(upstream.context.?));
    var chunk: [10_000]u8 = undefined;
    for (0..flood_bytes / chunk.len) |i| {
        @memset(&chunk, @truncate(i));
        try peer.send(&chunk);
        _ = sent.fetchAdd(chunk.len, .acq_rel);
    }
}

fn readSlowly(talk: *Talk) anyerror!void {
    const pipe = &talk.pipe;
    try pipe.connect("127.0.0.1", talk.upstream.port);
    _ = try pipe.reader().peekByte();
    sws.Fiber.sleep(200);
    // The pipe is full, and the rest waits at the other side.
    try expectEqual(pipe.in.buffer.len, pipe.in.bufferedLen());
    const sent: *std.atomic.Value(usize) = @ptrCast(@alignCast(talk.upstream.context.?));
    try std.testing.expect(sent.load(.acquire) < flood_bytes);
    // In pieces as large as the buffer, and at any place in it.
    var at: usize = 0;
    var random: std.Random.DefaultPrng = .init(3);
    while (at < flood_bytes) {
        const len = @min(1 + random.random().uintLessThan(usize, pipe.in.buffer.len), flood_bytes - at);
        for (try pipe.reader().take(len)) |byte| {
            if (byte != @as(u8, @truncate(at / 10_000))) return error.WrongByte;
            at += 1;
        }
    }
    try expectError(error.EndOfStream, pipe.reader().takeByte());
}

test "who reads slowly holds no more than the pipe, and misses nothing" {
    for ([_]u32{ 64 * 1024, 5_000 }) |read_bytes| {
        var sent: std.atomic.Value(usize) = .init(0);
        const talk: *Talk = try .create(flood, readSlowly, .{ .read_bytes = read_bytes });
        talk.upstream.context = &sent;
        try talk.run();
        try talk.finish();
    }
}

fn swallow(peer: Peer, upstream: *Upstream) anyerror!void {
    const hash: *std.hash.Wyhash = @ptrCast(@alignCast(upstream.context.?));
    var buffer: [4096]u8 = undefined;
    upstream_of.sleepMs(100);
    while (true) {
        const bytes = try peer.receive(&buffer);
        if (bytes.len == 0) break;
        hash.update(bytes);
        if (bytes[bytes.len - 1] == 0xff) break;
    }
    var digits: [16]u8 = undefined;
    try peer.send(try std.fmt.bufPrint(&digits, "{x:0>16}", .{hash.final()}));
}

fn writeFast(talk: *Talk) anyerror!void {
    const pipe = &talk.pipe;
    try pipe.connect("127.0.0.1", talk.upstream.port);
    var hash: std.hash.Wyhash = .init(0);
    var chunk: [7_000]u8 = undefined;
    for (0..2_000) |i| {
        @memset(&chunk, @truncate(i % 255));
        if (i == 1_999) chunk[chunk.len - 1] = 0xff;
        hash.update(&chunk);
        try pipe.writer().writeAll(&chunk);
    }
    try pipe.flushWrite();
    var expected: [16]u8 = undefined;
    _ = try std.fmt.bufPrint(&expected, "{x:0>16}", .{hash.final()});
    try std.testing.expectEqualStrings(&expected, try pipe.reader().take(16));
}

test "who writes fast waits for room, and loses nothing" {
    var hash: std.hash.Wyhash = .init(0);
    const talk: *Talk = try .create(swallow, writeFast, .{});
    talk.upstream.context = &hash;
    try talk.run();
    try talk.finish();
}

fn keepQuiet(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [16]u8 = undefined;
    _ = peer.receive(&buffer) catch {};
}

fn waitInVain(talk: *Talk) anyerror!void {
    const pipe = &talk.pipe;
    try expectError(error.ConnectionRefused, pipe.connect("127.0.0.1", try upstream_of.closedPort()));
    try expectError(error.InvalidName, pipe.connect("", 1));
    try pipe.connect("127.0.0.1", talk.upstream.port);
    try expectError(error.ReadFailed, pipe.reader().takeByte());
    try expectEqual(error.TimedOut, pipe.failure.?);
}

test "nobody waits for ever, and what failed has its name" {
    const talk: *Talk = try .create(keepQuiet, waitInVain, .{ .timeout_ms = 50 });
    try expectError(error.NotOnFiber, talk.pipe.connect("127.0.0.1", talk.upstream.port));
    try expectError(error.PipeFull, talk.pipe.feed(&@as([65_537]u8, @splat(0))));
    try talk.run();
    try expectError(error.ReadFailed, talk.pipe.reader().takeByte());
    try expectEqual(error.NotOnFiber, talk.pipe.failure.?);
    try talk.finish();
}

const Second = struct {
    pipe: *sws.Pipe,

    fn exec(ctx: *Second, complete: Complete) void {
        std.debug.assert(ctx.pipe.reader().takeByte() == error.ReadFailed);
        std.debug.assert(ctx.pipe.failure.? == error.TwoFibers);
        complete(ctx, "");
    }
};

fn shareReader(talk: *Talk) anyerror!void {
    const pipe = &talk.pipe;
    try pipe.connect("127.0.0.1", talk.upstream.port);
    try sws.Next.go(Second, .{ .pipe = pipe }, Second.exec);
    try pipe.writer().writeAll("hello\n");
    try pipe.flushWrite();
    try std.testing.expectEqualStrings("you said hello\n", try pipe.reader().takeDelimiterInclusive('\n'));
}

test "a second fiber that reads is refused, and the first one goes on" {
    const talk: *Talk = try .create(greet, shareReader, .{});
    try talk.run();
    try talk.finish();
}
