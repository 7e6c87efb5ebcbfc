//! Requests to elsewhere from fibers, over a ring of their own.

const std = @import("std");
const sws = @import("../root.zig");
const http_exchange = @import("http_exchange.zig");
const upstream_of = @import("../testing/upstream.zig");
const Client = @import("../testing/client.zig").Client;
const Loop = @import("../testing/loop.zig").Loop;
const Peer = upstream_of.Peer;
const Upstream = upstream_of.Upstream;
const allocator = std.testing.allocator;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;

const Outcome = @import("http_client.zig").Failure!sws.HttpResponse;

/// A request on a fiber.
const Call = struct {
    client: *sws.HttpClient,
    request: sws.HttpRequest,
    done: bool = false,
    outcome: Outcome = undefined,

    const Ctx = struct { call: *Call };

    fn exec(ctx: *Ctx, complete: @import("../next.zig").Complete) void {
        ctx.call.outcome = ctx.call.client.request(ctx.call.request);
        ctx.call.done = true;
        complete(ctx, "");
    }
};

const World = struct {
    loop: *Loop,
    shared: sws.FiberShared,
    ring: sws.HttpRing,
    client: sws.HttpClient,
    url_buffer: [128]u8 = undefined,

    fn create(cache_ttl_ms: u32, options: sws.HttpOptions) !*World {
        const loop: *Loop = try .create(.{});
        try loop.server.initPool4NextSubmit(1);
        const world = try allocator.create(World);
        world.* = .{
            .loop = loop,
            .shared = try .init(allocator),
            .ring = try .init(allocator, std.testing.io, loop.server.io.parent(), cache_ttl_ms),
            .client = undefined,
        };
        world.client = try .initOptions(allocator, &world.ring, options);
        try world.ring.registerWith(&world.shared);
        loop.server.fiber_shared = &world.shared;
        try loop.begin();
        return world;
    }

    fn url(world: *World, port: u16, path: []const u8) []const u8 {
        return std.fmt.bufPrint(&world.url_buffer, "http://127.0.0.1:{d}{s}", .{ port, path }) catch unreachable;
    }

    fn call(world: *World, request: sws.HttpRequest) !sws.HttpResponse {
        var one: Call = .{ .client = &world.client, .request = request };
        try sws.Next.go(Call.Ctx, .{ .call = &one }, Call.exec);
        try world.loop.until(&one.done);
        return one.outcome;
    }

    fn expect(world: *World, request: sws.HttpRequest, status: u16, body: []const u8) !void {
        const response = try world.call(request);
        defer response.deinit();
        try expectEqual(status, response.status);
        try std.testing.expectEqualStrings(body, response.body);
    }

    fn finish(world: *World) !void {
        try expectEqual(@as(usize, 0), world.client.exchanges.used());
        try world.loop.finish();
        world.client.deinit();
        world.ring.deinit();
        world.shared.deinit();
        allocator.destroy(world);
    }
};

/// Answers by the path: what a server says to be helpful, or to be a nuisance.
fn serve(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [300_000]u8 = undefined;
    while (peer.next(&buffer, "\r\n\r\n")) |head| {
        const path = blk: {
            const start = std.mem.indexOfScalar(u8, head, ' ').? + 1;
            break :blk head[start..std.mem.indexOfScalarPos(u8, head, start, ' ').?];
        };
        if (std.mem.eql(u8, path, "/length")) {
            try peer.send("HTTP/1.1 200 OK\r\nX-Kind: length\r\nContent-Length: 5\r\n\r\nhello");
        } else if (std.mem.eql(u8, path, "/bytes")) {
            const text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n" ++
                "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n";
            for (0..text.len) |i| try peer.send(text[i..][0..1]);
        } else if (std.mem.eql(u8, path, "/close")) {
            return peer.send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
        } else if (std.mem.eql(u8, path, "/nothing")) {
            try peer.send("HTTP/1.1 204 No Content\r\n\r\n");
        } else if (std.mem.eql(u8, path, "/large")) {
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
            const chunk: [10_000]u8 = @splat('x');
            for (0..200) |_| peer.send(&chunk) catch return;
        } else if (std.mem.eql(u8, path, "/cut")) {
            return peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort");
        } else if (std.mem.eql(u8, path, "/gone")) {
            return;
        } else if (std.mem.eql(u8, path, "/never")) {
            _ = peer.receive(&buffer) catch return;
            return;
        } else if (std.mem.eql(u8, path, "/smuggled")) {
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
        } else if (std.mem.eql(u8, path, "/garbage")) {
            return peer.send("SMTP ready\r\n\r\n");
        } else if (std.mem.eql(u8, path, "/endless")) {
            try peer.send("HTTP/1.1 200 OK\r\n");
            for (0..10_000) |_| peer.send("X-Again: and again\r\n") catch return;
        } else if (std.mem.startsWith(u8, path, "/echo")) {
            const at = std.mem.indexOf(u8, head, "Content-Length: ").? + "Content-Length: ".len;
            const len = try std.fmt.parseInt(usize, head[at..std.mem.indexOfScalarPos(u8, head, at, '\r').?], 10);
            if (std.mem.indexOf(u8, path, "slow") != null) upstream_of.sleepMs(100);
            try peer.receiveExactly(buffer[0..len]);
            var text: [128]u8 = undefined;
            const said = try std.fmt.bufPrint(&text, "{d} {x}", .{ len, std.hash.Crc32.hash(buffer[0..len]) });
            var answer: [256]u8 = undefined;
            try peer.send(try std.fmt.bufPrint(&answer, "HTTP/1.1 200 OK\r\nContent-Length: {d}\r\n\r\n{s}", .{ said.len, said }));
        } else {
            // The whole head, so that a test sees what was sent.
            var answer: [4096]u8 = undefined;
            try peer.send(try std.fmt.bufPrint(&answer, "HTTP/1.1 200 OK\r\nContent-Length: {d}\r\n\r\n{s}", .{ head.len, head }));
        }
    }
}

test "a fiber gets bodies in every framing, over one connection as long as that goes" {
    const upstream: *Upstream = try .create(serve);
    try upstream.start();
    const world = try World.create(10_000, .{});
    const response = try world.call(.{ .url = world.url(upstream.port, "/length") });
    try expectEqual(@as(u16, 200), response.status);
    try std.testing.expectEqualStrings("hello", response.body);
    try std.testing.expectEqualStrings("length", response.header("x-kind").?);
    try expectEqual(null, response.header("x-other"));
    response.deinit();
    try world.expect(.{ .url = world.url(upstream.port, "/bytes") }, 201, "abc0123456789abcdef");
    try world.expect(.{ .url = world.url(upstream.port, "/nothing") }, 204, "");
    try world.expect(.{ .url = world.url(upstream.port, "/nothing"), .method = "HEAD" }, 204, "");
    var sent: [128]u8 = undefined;
    const head = try std.fmt.bufPrint(&sent, "GET /?q HTTP/1.1\r\nHost: 127.0.0.1:{d}\r\nX-A: b c\r\n\r\n", .{upstream.port});
    try world.expect(.{ .url = world.url(upstream.port, "/?q#f"), .headers = &.{.{ .name = "X-A", .value = "b c" }} }, 200, head);
    try expectEqual(@as(u32, 1), upstream.connections.load(.acquire));
    try expectEqual(@as(u64, 4), world.ring.cache.hits);
    try world.expect(.{ .url = world.url(upstream.port, "/close") }, 200, "until the end");
    try world.expect(.{ .url = world.url(upstream.port, "/length") }, 200, "hello");
    try expectEqual(@as(u32, 2), upstream.connections.load(.acquire));
    try world.finish();
    try upstream.finish();
}

/// Answers when both upstreams have been asked as often.
fn serveTogether(peer: Peer, upstream: *Upstream) anyerror!void {
    const asked: *std.atomic.Value(u32) = @ptrCast(@alignCast(upstream.context.?));
    var buffer: [1024]u8 = undefined;
    var round: u32 = 0;
    while (true) {
        _ = peer.receiveUntil(&buffer, "\r\n\r\n") catch return;
        round += 1;
        _ = asked.fetchAdd(1, .acq_rel);
        for (0..10_000) |_| {
            if (asked.load(.acquire) >= 2 * round) break;
            upstream_of.sleepMs(1);
        } else return error.NotAskedTogether;
        try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nboth");
    }
}

test "one loop drives several rings, whose requests are under way at the same time" {
    var asked: std.atomic.Value(u32) = .init(0);
    var upstreams: [2]*Upstream = undefined;
    for (&upstreams) |*upstream| {
        upstream.* = try .create(serveTogether);
        upstream.*.context = &asked;
        try upstream.*.start();
    }
    const world = try World.create(10_000, .{});
    var ring: sws.HttpRing = try .init(allocator, std.testing.io, world.loop.server.io.parent(), 10_000);
    defer ring.deinit();
    var client: sws.HttpClient = try .init(allocator, &ring);
    defer client.deinit();
    try ring.registerWith(&world.shared);
    // The loop runs already: its next turn begins the ring.
    try world.loop.server.turn();
    var other_url: [64]u8 = undefined;
    const rounds = 5;
    for (0..rounds) |_| {
        const url = try std.fmt.bufPrint(&other_url, "http://127.0.0.1:{d}/", .{upstreams[1].port});
        var calls = [2]Call{
            .{ .client = &world.client, .request = .{ .url = world.url(upstreams[0].port, "/") } },
            .{ .client = &client, .request = .{ .url = url } },
        };
        for (&calls) |*call| try sws.Next.go(Call.Ctx, .{ .call = call }, Call.exec);
        for (&calls) |*call| {
            try world.loop.until(&call.done);
            const response = try call.outcome;
            defer response.deinit();
            try std.testing.expectEqualStrings("both", response.body);
        }
    }
    for ([_]*sws.HttpRing{ &world.ring, &ring }) |each| try expectEqual(@as(u64, rounds - 1), each.cache.hits);
    try world.finish();
    for (upstreams) |upstream| try upstream.finish();
}

test "a body that is longer than the queue is sent whole" {
    const upstream: *Upstream = try .create(serve);
    try upstream.start();
    const world = try World.create(10_000, .{});
    const body = try allocator.alloc(u8, 250_000);
    defer allocator.free(body);
    for (body, 0..) |*byte, i| byte.* = @truncate(i *% 7);
    var expected: [64]u8 = undefined;
    const text = try std.fmt.bufPrint(&expected, "{d} {x}", .{ body.len, std.hash.Crc32.hash(body) });
    for ([_][]const u8{ "/echo", "/echo/slow" }) |path| {
        try world.expect(.{ .method = "POST", .url = world.url(upstream.port, path), .body = body }, 200, text);
    }
    try world.expect(.{ .method = "POST", .url = world.url(upstream.port, "/echo"), .body = "" }, 200, "0 0");
    try world.finish();
    try upstream.finish();
}

test "what goes wrong has its name, and the connection is not used again" {
    const upstream: *Upstream = try .create(serve);
    try upstream.start();
    const world = try World.create(10_000, .{ .timeout_ms = 300, .body_bytes_max = 1_000_000 });
    const Case = struct { []const u8, anyerror };
    for ([_]Case{
        .{ "/large", error.BodyTooLong },
        .{ "/cut", error.ResponseCutOff },
        .{ "/gone", error.EndOfStream },
        .{ "/never", error.TimedOut },
        .{ "/garbage", error.InvalidVersion },
        .{ "/endless", error.HeadTooLong },
    }) |case| {
        errdefer std.debug.print("{s}\n", .{case[0]});
        // Many lines are too many fields or too many bytes, whichever comes first.
        const outcome = world.call(.{ .url = world.url(upstream.port, case[0]) });
        if (outcome) |response| {
            response.deinit();
            return error.TestExpectedError;
        } else |err| try std.testing.expect(err == case[1] or (case[1] == error.HeadTooLong and err == error.TooManyHeaders));
        try expectEqual(@as(usize, 0), world.ring.cache.used());
    }
    // Nothing that came unasked answers the next request.
    try world.expect(.{ .url = world.url(upstream.port, "/smuggled") }, 200, "ok");
    try expectEqual(@as(usize, 0), world.ring.cache.used());
    try world.expect(.{ .url = world.url(upstream.port, "/length") }, 200, "hello");

    try expectError(error.TlsUnsupported, world.call(.{ .url = "https://127.0.0.1/" }));
    try expectError(error.InvalidUrl, world.call(.{ .url = "127.0.0.1" }));
    try expectError(error.InvalidMethod, world.call(.{ .url = "http://127.0.0.1/", .method = "GET /x" }));
    for ([_]sws.HttpHeader{
        .{ .name = "X-A", .value = "b\r\nX-C: d" },
        .{ .name = "X A", .value = "b" },
        .{ .name = "Content-length", .value = "3" },
        .{ .name = "Host", .value = "other" },
    }) |header| try expectError(error.InvalidHeader, world.call(.{ .url = "http://127.0.0.1/", .headers = &.{header} }));
    const long: [20_000]u8 = @splat('a');
    try expectError(error.RequestTooLong, world.call(.{ .url = "http://127.0.0.1/", .headers = &.{.{ .name = "X", .value = &long }} }));

    try expectError(error.ConnectionRefused, world.call(.{ .url = world.url(try upstream_of.closedPort(), "/") }));
    try world.finish();
    try upstream.finish();
}

test "callers without a stack to wait on, and on other threads, are told" {
    const world = try World.create(10_000, .{});
    try expectError(error.NotOnFiber, world.client.get("http://127.0.0.1/"));
    var on_worker: Call = .{ .client = &world.client, .request = .{ .url = "http://127.0.0.1/" } };
    try sws.Next.submit(Call.Ctx, .{ .call = &on_worker }, Call.exec);
    while (world.loop.server.next.pending() > 0) try world.loop.turnFor(1);
    try expectError(error.NotOnLoop, on_worker.outcome);
    try world.finish();
}

var proxying: *World = undefined;

fn hello(_: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
    ctx.text(200, "hello from itself");
}

fn proxy(_: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    const response = try proxying.client.get(proxying.url(proxying.loop.server.port(), "/hello"));
    defer response.deinit();
    ctx.text(response.status, response.body);
}

const Asking = struct {
    port: u16,
    done: bool = false,
    matches: bool = false,

    fn run(asking: *Asking) void {
        asking.ask() catch {};
        @atomicStore(bool, &asking.done, true, .release);
    }

    fn ask(asking: *Asking) !void {
        const client = try std.heap.page_allocator.create(Client);
        defer std.heap.page_allocator.destroy(client);
        client.* = try .connect(asking.port);
        defer client.close();
        for (0..3) |_| {
            try client.send("GET /proxy HTTP/1.1\r\nHost: a\r\n\r\n");
            const response = try client.receive();
            if (response.status != 200 or !std.mem.eql(u8, response.body, "hello from itself")) return;
        }
        asking.matches = true;
    }
};

test "a handler that waits for a response is served meanwhile, by the very same loop" {
    const world = try World.create(10_000, .{});
    proxying = world;
    world.loop.server.GET("/hello", hello);
    world.loop.server.GET("/proxy", sws.yielding(proxy));
    var asking: Asking = .{ .port = world.loop.server.port() };
    const thread: std.Thread = try .spawn(.{}, Asking.run, .{&asking});
    defer thread.join();
    try world.loop.until(&asking.done);
    try std.testing.expect(asking.matches);
    try expectEqual(@as(u64, 2), world.ring.cache.hits);
    try world.finish();
}

test "what happens on the ring beside it ends the loop's sleep" {
    const upstream: *Upstream = try .create(serve);
    try upstream.start();
    const world = try World.create(10_000, .{ .timeout_ms = 5_000 });
    // From here on nothing else does.
    world.loop.server.hooks_tick_len = 0;
    try world.expect(.{ .url = world.url(upstream.port, "/bytes") }, 201, "abc0123456789abcdef");

    const Elsewhere = struct {
        done: bool = false,
        on_thread: std.Thread.Id = 0,

        fn run(context: *anyopaque, _: std.mem.Allocator) void {
            const elsewhere: *@This() = @ptrCast(@alignCast(context));
            elsewhere.on_thread = std.Thread.getCurrentId();
            elsewhere.done = true;
        }

        fn push(elsewhere: *@This(), rs: *sws.RingShared) void {
            upstream_of.sleepMs(20);
            std.debug.assert(rs.invoke.push(run, elsewhere));
        }
    };
    for ([_]*sws.RingShared{ world.ring.rs, world.loop.server.rs }) |rs| {
        var elsewhere: Elsewhere = .{};
        const thread: std.Thread = try .spawn(.{}, Elsewhere.push, .{ &elsewhere, rs });
        try world.loop.until(&elsewhere.done);
        thread.join();
        try expectEqual(std.Thread.getCurrentId(), elsewhere.on_thread);
    }
    try world.finish();
    try upstream.finish();
}

test "a connection that rests too long is closed, and so is one that the other side ends" {
    const upstream: *Upstream = try .create(serve);
    try upstream.start();
    const world = try World.create(150, .{});
    try world.expect(.{ .url = world.url(upstream.port, "/length") }, 200, "hello");
    try expectEqual(@as(usize, 1), world.ring.cache.used());
    try world.loop.turnFor(400);
    try expectEqual(@as(usize, 0), world.ring.cache.used());
    try expectEqual(@as(u64, 1), world.ring.cache.evicted);
    while (!world.ring.rs.isIdle()) try world.loop.turnFor(5);
    try world.expect(.{ .url = world.url(upstream.port, "/length") }, 200, "hello");
    try expectEqual(@as(u32, 2), upstream.connections.load(.acquire));
    try world.finish();
    try upstream.finish();

    const closing: *Upstream = try .create(serveOnce);
    try closing.start();
    const other = try World.create(60_000, .{});
    for (0..3) |_| {
        try other.expect(.{ .url = other.url(closing.port, "/") }, 200, "once");
        while (!other.ring.rs.isIdle()) try other.loop.turnFor(5);
        try expectEqual(@as(usize, 0), other.ring.cache.used());
    }
    try other.finish();
    try closing.finish();
}

/// Says that it will stay, and goes.
fn serveOnce(peer: Peer, _: *Upstream) anyerror!void {
    var buffer: [4096]u8 = undefined;
    _ = try peer.receiveUntil(&buffer, "\r\n\r\n");
    try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nonce");
}

test "many fibers wait at the same time, and more than may are refused" {
    const upstream: *Upstream = try .create(serve);
    try upstream.start();
    const world = try World.create(10_000, .{ .exchanges_max = 8, .timeout_ms = 20_000 });
    var calls: [12]Call = undefined;
    const url = world.url(upstream.port, "/close");
    for (&calls) |*call| {
        call.* = .{ .client = &world.client, .request = .{ .url = url } };
        try sws.Next.go(Call.Ctx, .{ .call = call }, Call.exec);
    }
    var refused: u32 = 0;
    for (&calls) |*call| {
        try world.loop.until(&call.done);
        if (call.outcome) |response| {
            try std.testing.expectEqualStrings("until the end", response.body);
            response.deinit();
        } else |err| {
            try expectEqual(error.TooManyExchanges, err);
            refused += 1;
        }
    }
    try expectEqual(@as(u32, 4), refused);
    try world.finish();
    try upstream.finish();
}
