//! Names over real sockets, from a name server that does what name servers and those who pretend to be one do.

const std = @import("std");
const sws = @import("../root.zig");
const resolver_of = @import("resolver.zig");
const upstream_of = @import("../testing/upstream.zig");
const DnsServer = @import("../testing/dns_server.zig").DnsServer;
const Loop = @import("../testing/loop.zig").Loop;
const expectEqual = std.testing.expectEqual;

const hosts =
    \\192.0.2.200 db.internal db
    \\2001:db8::200 db.internal
    \\127.0.0.1 here
;

const Asked = struct {
    done: bool = false,
    outcome: resolver_of.Outcome = error.NoAddress,
    ticket: ?resolver_of.Ticket = null,

    fn onOutcome(ptr: *anyopaque, outcome: *const resolver_of.Outcome) void {
        const asked: *Asked = @ptrCast(@alignCast(ptr));
        std.debug.assert(!asked.done);
        asked.done = true;
        asked.outcome = outcome.*;
    }

    fn start(asked: *Asked, loop: *Loop, name: []const u8) void {
        const resolved = loop.server.rs.resolver.resolve(name, .{ .ptr = asked, .on = onOutcome }) catch |err| {
            asked.* = .{ .done = true, .outcome = err };
            return;
        };
        switch (resolved) {
            .now => |addresses| asked.* = .{ .done = true, .outcome = addresses },
            .later => |ticket| asked.ticket = ticket,
        }
    }
};

const World = struct {
    dns: *DnsServer,
    loop: *Loop,

    fn create(resolv_conf: []const u8, timeout_ms: u32) !World {
        const dns: *DnsServer = try .create();
        errdefer dns.finish() catch {};
        const loop: *Loop = try .create(.{ .dns = .{
            .resolv_conf = .{ .text = resolv_conf },
            .hosts = .{ .text = hosts },
            .port = dns.port,
            .timeout_ms = timeout_ms,
        } });
        try loop.begin();
        return .{ .dns = dns, .loop = loop };
    }

    fn resolve(world: *World, name: []const u8) !resolver_of.Addresses {
        var asked: Asked = .{};
        asked.start(world.loop, name);
        try world.loop.until(&asked.done);
        return asked.outcome;
    }

    fn expectLast(world: *World, name: []const u8, last: u8) !void {
        errdefer std.debug.print("{s}\n", .{name});
        const addresses = try world.resolve(name);
        try expectEqual(@as(usize, 1), addresses.len);
        try expectEqual([4]u8{ 192, 0, 2, last }, addresses.list[0].ipv4);
    }

    fn finish(world: *World) !void {
        try world.loop.finish();
        try world.dns.finish();
    }
};

const local = "nameserver 127.0.0.1\noptions attempts:2\n";

test "names have the addresses that the server says, and are asked for once" {
    var world: World = try .create(local, 2000);
    try world.expectLast("plain.test", 1);
    try expectEqual(@as(u32, 2), world.dns.questions.load(.acquire));
    try world.expectLast("plain.test", 1);
    try expectEqual(@as(u32, 2), world.dns.questions.load(.acquire));
    // A second later the answer is over.
    try world.loop.turnFor(1100);
    try world.expectLast("PLAIN.test.", 1);
    try expectEqual(@as(u32, 4), world.dns.questions.load(.acquire));

    const both = try world.resolve("both.test");
    try expectEqual(@as(usize, 2), both.len);
    try expectEqual(@as(u8, 0x20), both.list[0].ipv6[0]);
    try expectEqual([4]u8{ 192, 0, 2, 1 }, both.list[1].ipv4);
    try world.expectLast("chain.test", 9);
    try world.finish();
}

test "nobody is asked for addresses and for the system's own names" {
    var world: World = try .create(local, 2000);
    try world.expectLast("192.0.2.77", 77);
    try expectEqual(@as(u8, 1), (try world.resolve("::1")).list[0].ipv6[15]);
    try world.expectLast("db", 200);
    try expectEqual(@as(usize, 2), (try world.resolve("DB.internal")).len);
    try expectEqual(@as(usize, 2), (try world.resolve("app.localhost")).len);
    for ([_][]const u8{ "", "a..b", "." ++ "a", "a b", "a" ** 64 ++ ".test", "a." ** 127 ++ "a" }) |name| {
        try std.testing.expectError(error.InvalidName, world.resolve(name));
    }
    try expectEqual(@as(u32, 0), world.dns.questions.load(.acquire));
    try world.finish();
}

test "what is wrong has its name" {
    var world: World = try .create(local, 100);
    try std.testing.expectError(error.NoSuchName, world.resolve("nothere.test"));
    try std.testing.expectError(error.NoAddress, world.resolve("empty.test"));
    try std.testing.expectError(error.ServerFailure, world.resolve("broken.test"));
    try std.testing.expectError(error.ServerFailure, world.resolve("garbled.test"));
    try std.testing.expectError(error.ServerFailure, world.resolve("ring.test"));
    try std.testing.expectError(error.TimedOut, world.resolve("silent.test"));
    try world.finish();
}

test "what is not there is asked for again when the zone says so" {
    var world: World = try .create(local, 2000);
    const cases = [_]struct { []const u8, anyerror }{ .{ "never.test", error.NoSuchName }, .{ "void.test", error.NoAddress } };
    for (cases, 0..) |case, i| {
        const name, const failure = case;
        for (0..3) |_| try std.testing.expectError(failure, world.resolve(name));
        try expectEqual(@as(u32, @intCast(2 * i + 2)), world.dns.questions.load(.acquire));
    }
    try expectEqual(@as(u64, 8), world.loop.server.rs.dns.stats.cached);
    // It says two seconds.
    try world.loop.turnFor(2100);
    for (cases) |case| try std.testing.expectError(case[1], world.resolve(case[0]));
    try expectEqual(@as(u32, 8), world.dns.questions.load(.acquire));
    try world.finish();
}

test "who wants a name that is being looked up waits for the same answer" {
    var world: World = try .create(local, 2000);
    var asked: [10]Asked = @splat(.{});
    for (&asked, 0..) |*one, i| one.start(world.loop, if (i % 2 == 0) "late.test" else "LATE.Test");
    const dns = world.loop.server.rs.dns;
    try expectEqual(@as(u64, 9), dns.stats.joined);
    // The others wait on when the one who had asked goes.
    dns.cancel(asked[0].ticket.?);
    dns.cancel(asked[7].ticket.?);
    for (&asked, 0..) |*one, i| {
        if (i == 0 or i == 7) continue;
        try world.loop.until(&one.done);
        try expectEqual([4]u8{ 192, 0, 2, 1 }, (try one.outcome).list[0].ipv4);
    }
    try std.testing.expect(!asked[0].done and !asked[7].done);
    try expectEqual(@as(u32, 2), world.dns.questions.load(.acquire));

    // When all go, nobody is asked any longer.
    for (asked[0..3]) |*one| {
        one.* = .{};
        one.start(world.loop, "silent.test");
    }
    for (asked[0..3]) |*one| dns.cancel(one.ticket.?);
    try expectEqual(@as(usize, 0), dns.pending());
    try world.finish();
}

/// One who is told what he waited for, and ends another's wait and asks anew before the others are told.
const Meddler = struct {
    loop: *Loop,
    victim: *Asked,
    again: Asked = .{},

    fn onOutcome(ptr: *anyopaque, _: *const resolver_of.Outcome) void {
        const meddler: *Meddler = @ptrCast(@alignCast(ptr));
        meddler.loop.server.rs.resolver.cancel(meddler.victim.ticket.?);
        meddler.again.start(meddler.loop, "slow.late.test");
    }
};

test "who is told may ask again and end another's wait, and everybody else is told once" {
    var world: World = try .create(local, 2000);
    var victim: Asked = .{};
    var last: Asked = .{};
    var meddler: Meddler = .{ .loop = world.loop, .victim = &victim };
    const resolved = try world.loop.server.rs.resolver.resolve("late.test", .{ .ptr = &meddler, .on = Meddler.onOutcome });
    try std.testing.expect(resolved == .later);
    victim.start(world.loop, "late.test");
    last.start(world.loop, "late.test");
    try world.loop.until(&last.done);
    _ = try last.outcome;
    try world.loop.until(&meddler.again.done);
    try std.testing.expect(!victim.done);
    try world.finish();
}

test "an answer that is too long comes over TCP" {
    var world: World = try .create(local, 2000);
    try world.expectLast("tc.test", 1);
    try expectEqual(@as(u32, 2), world.dns.tcp_questions.load(.acquire));
    // 300 addresses are more than anybody tries.
    try expectEqual(@as(usize, 16), (try world.resolve("long.test")).len);
    try world.finish();
}

test "forged answers are waited out" {
    var world: World = try .create(local, 2000);
    try world.expectLast("forged.test", 1);
    // Three wrong ids and a wrong question for each type; what came from a stranger's port the kernel kept away.
    try expectEqual(@as(u64, 8), world.loop.server.rs.dns.stats.strangers);
    // Who guesses by the dozen drives the question to TCP.
    try world.expectLast("guessed.test", 1);
    try expectEqual(@as(u32, 2), world.dns.tcp_questions.load(.acquire));
    try world.finish();
}

test "ids and ports are new for each question" {
    var world: World = try .create(local, 2000);
    for (0..8) |i| {
        var name: [16]u8 = undefined;
        _ = try world.resolve(try std.fmt.bufPrint(&name, "n{d}.test", .{i}));
    }
    var same_ids: u32 = 0;
    var same_ports: u32 = 0;
    var in_order: u32 = 0;
    for (1..16) |i| {
        for (0..i) |j| {
            same_ids += @intFromBool(world.dns.ids[i] == world.dns.ids[j]);
            same_ports += @intFromBool(world.dns.ports[i] == world.dns.ports[j]);
        }
        in_order += @intFromBool(world.dns.ids[i] == world.dns.ids[i - 1] +% 1);
    }
    // 16 of 65,536 and of 28,232: by chance two are the same once in 500 and 200 runs, three times never.
    try std.testing.expect(same_ids < 3 and same_ports < 3 and in_order < 3);
    try world.finish();
}

test "what is lost is asked again, what is late is waited for, and the next server is asked" {
    var world: World = try .create(local, 250);
    try world.expectLast("deaf.test", 1);
    world.loop.server.rs.dns.config.timeout_ms = 10_000;
    try world.expectLast("late.test", 1);
    // AAAA is never answered: the address that is there doesn't wait for its time-outs.
    const before_ms = world.loop.server.io.monotonic_ms();
    try world.expectLast("noaaaa.test", 1);
    try std.testing.expect(world.loop.server.io.monotonic_ms() - before_ms < 10_000);
    try world.finish();

    // Nobody is at the first one.
    var second: World = try .create("nameserver 127.0.0.2\nnameserver 127.0.0.1\n", 500);
    try second.expectLast("plain.test", 1);
    try second.finish();
}

test "an answer that comes after its time is nobody's" {
    var world: World = try .create(local ++ "options attempts:1\n", 50);
    try std.testing.expectError(error.TimedOut, world.resolve("late.test"));
    try world.loop.turnFor(300);
    try world.finish();
}

test "the search list is tried in its order" {
    var world: World = try .create("nameserver 127.0.0.1\nsearch nothere. test\noptions ndots:2\n", 2000);
    // plain.nothere answers, as the first label decides: what counts is what was asked.
    _ = try world.resolve("plain");
    try std.testing.expectEqualStrings("plain.nothere", world.loop.server.rs.dns.lookups[0].asked());
    _ = try world.resolve("a.b.c");
    try std.testing.expectEqualStrings("a.b.c", world.loop.server.rs.dns.lookups[0].asked());
    try std.testing.expectError(error.NoSuchName, world.resolve("nothere"));
    try std.testing.expectEqualStrings("nothere", world.loop.server.rs.dns.lookups[0].asked());
    _ = try world.resolve("plain.");
    try std.testing.expectEqualStrings("plain.", world.loop.server.rs.dns.lookups[0].asked());
    try world.finish();
}

test "a lookup that nobody wants any more leaves nothing behind, and too many are refused" {
    var world: World = try .create(local, 2000);
    var asked: [40]Asked = @splat(.{});
    var refused: u32 = 0;
    for (&asked, 0..) |*one, i| {
        var name: [24]u8 = undefined;
        one.start(world.loop, try std.fmt.bufPrint(&name, "silent.n{d}.test", .{i}));
        if (one.done) {
            try std.testing.expectError(error.TooManyLookups, one.outcome);
            refused += 1;
        }
    }
    try expectEqual(@as(u32, 8), refused);
    for (&asked) |*one| if (one.ticket) |ticket| world.loop.server.rs.resolver.cancel(ticket);
    try expectEqual(@as(usize, 0), world.loop.server.rs.dns.pending());
    // As many may wait for one name, and no more.
    const crowd = try std.testing.allocator.alloc(Asked, world.loop.server.rs.dns.waits.len + 1);
    defer std.testing.allocator.free(crowd);
    for (crowd) |*one| {
        one.* = .{};
        one.start(world.loop, "silent.test");
    }
    try std.testing.expectError(error.TooManyLookups, crowd[crowd.len - 1].outcome);
    for (crowd[0 .. crowd.len - 1]) |*one| world.loop.server.rs.resolver.cancel(one.ticket.?);
    try expectEqual(@as(usize, 0), world.loop.server.rs.dns.pending());
    try world.loop.turnFor(50);
    // Tickets that are over do nothing.
    var another: Asked = .{};
    another.start(world.loop, "plain.test");
    world.loop.server.rs.resolver.cancel(asked[0].ticket.?);
    try world.loop.until(&another.done);
    _ = try another.outcome;
    try world.finish();
}

test "a client connects by a name" {
    const Serve = struct {
        fn serve(peer: upstream_of.Peer, _: *upstream_of.Upstream) anyerror!void {
            try peer.send("hello");
        }

        fn onData(ctx: ?*anyopaque, data: []u8) void {
            const said: *[]const u8 = @ptrCast(@alignCast(ctx.?));
            std.debug.assert(std.mem.eql(u8, data, "hello"));
            said.* = "hello";
        }

        fn onClose(_: ?*anyopaque) void {}
    };
    var world: World = try .create(local, 2000);
    const upstream: *upstream_of.Upstream = try .create(Serve.serve);
    try upstream.start();
    var said: []const u8 = "";
    const client: *sws.RingSharedClient = try .init(std.testing.allocator, world.loop.server.rs, Serve.onData, Serve.onClose, @ptrCast(&said));
    // Of its two addresses nobody is at the first.
    try client.connect("localhost", upstream.port);
    for (0..1000) |_| {
        if (said.len > 0) break;
        try world.loop.server.turn();
    }
    try std.testing.expectEqualStrings("hello", said);
    client.deinit();
    try upstream.finish();

    const failing: *sws.RingSharedClient = try .init(std.testing.allocator, world.loop.server.rs, Serve.onData, Serve.onClose, @ptrCast(&said));
    try failing.connect("nothere.test", 1);
    while (failing.state != .closed) try world.loop.server.turn();
    try expectEqual(error.NoSuchName, failing.failure.?);
    failing.deinit();
    try world.finish();
}
