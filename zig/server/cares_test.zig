//! Names by c-ares, from the tests' name server: a root of its own, as it links c-ares and libc.

const std = @import("std");
const sws = @import("root.zig");
const resolver_of = @import("outgoing/resolver.zig");
const DnsServer = @import("testing/dns_server.zig").DnsServer;
const Loop = @import("testing/loop.zig").Loop;
const expectError = std.testing.expectError;

const Asked = struct {
    done: bool = false,
    outcome: resolver_of.Outcome = error.NoAddress,

    fn onOutcome(ptr: *anyopaque, outcome: *const resolver_of.Outcome) void {
        const asked: *Asked = @ptrCast(@alignCast(ptr));
        std.debug.assert(!asked.done);
        asked.done = true;
        asked.outcome = outcome.*;
    }
};

fn resolve(loop: *Loop, name: []const u8) !resolver_of.Addresses {
    var asked: Asked = .{};
    switch (try loop.server.rs.resolver.resolve(name, .{ .ptr = &asked, .on = Asked.onOutcome })) {
        .now => |addresses| return addresses,
        .later => try loop.until(&asked.done),
    }
    return asked.outcome;
}

fn onData(_: ?*anyopaque, _: []u8) void {}
fn onClose(_: ?*anyopaque) void {}

test "c-ares finds what the built-in resolver finds, over UDP and TCP" {
    const dns: *DnsServer = try .create();
    const loop: *Loop = try .create(.{});
    var servers: [32]u8 = undefined;
    const cares: *sws.HttpCaresDns = try .create(std.testing.allocator, loop.server.rs, .{
        .servers = try std.fmt.bufPrintZ(&servers, "127.0.0.1:{d}", .{dns.port}),
        .timeout_ms = 400,
        .attempts = 2,
    });
    loop.server.rs.resolver = cares.resolver();
    try loop.begin();

    for ([_][]const u8{ "plain.test", "tc.test", "chain.test", "192.0.2.1" }, [_]u8{ 1, 1, 9, 1 }) |name, last| {
        errdefer std.debug.print("{s}\n", .{name});
        const addresses = try resolve(loop, name);
        try std.testing.expectEqual(@as(usize, 1), addresses.len);
        try std.testing.expectEqual([4]u8{ 192, 0, 2, last }, addresses.list[0].ipv4);
    }
    try std.testing.expect(dns.tcp_questions.load(.acquire) >= 1);
    try std.testing.expectEqual(@as(usize, 2), (try resolve(loop, "both.test")).len);
    try expectError(error.NoSuchName, resolve(loop, "nothere.test"));
    try expectError(error.NoAddress, resolve(loop, "empty.test"));
    try expectError(error.TimedOut, resolve(loop, "silent.test"));
    try expectError(error.InvalidName, resolve(loop, "plain\x00.test"));
    try expectError(error.InvalidName, resolve(loop, ""));

    // Through a client; and one that is closed while c-ares still asks.
    const client: *sws.RingSharedClient = try .init(std.testing.allocator, loop.server.rs, onData, onClose, null);
    try client.connect("silent.test", 1);
    try loop.turnFor(50);
    client.close();
    client.deinit();
    try loop.turnFor(1500);
    for (cares.queries) |*query| try std.testing.expect(!query.is_taken);
    cares.destroy();
    loop.server.rs.resolver = loop.server.rs.dns.resolver();
    loop.server.stop();
    while (!loop.server.isDone()) try loop.server.turn();
    try std.testing.expectEqual(@as(usize, 0), loop.server.rs.registry.used());
    loop.server.deinit();
    std.testing.allocator.destroy(loop);
    try dns.finish();
}
