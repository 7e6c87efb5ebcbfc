//! The example over real sockets.

const std = @import("std");
const sws = @import("sws");
const Client = sws.testing.Client;
const room_battle = @import("room_battle.zig");
const Game = room_battle.Game;
const Player = room_battle.Player;

fn run(server: *sws.AsyncServer) void {
    server.run() catch |err| std.debug.panic("{t}", .{err});
}

fn join(client: *Client, room: u32, team: u8, player: Player, status: u16) !void {
    var body: [64]u8 = undefined;
    const words = try std.fmt.bufPrint(&body, "hp={d} atk={d}", .{ player.hp, player.atk });
    var text: [256]u8 = undefined;
    const head = "POST /rooms/{d}/join/{d} HTTP/1.1\r\nHost: a\r\nContent-Length: {d}\r\n\r\n{s}";
    try client.send(try std.fmt.bufPrint(&text, head, .{ room, team, words.len, words }));
    try std.testing.expectEqual(status, (try client.receive()).status);
}

fn hear(client: *Client, expected: []const u8) !void {
    const head = (try client.receiveExactly(2))[0..2].*;
    try std.testing.expectEqual([2]u8{ 0x81, @intCast(expected.len) }, head);
    try std.testing.expectEqualStrings(expected, try client.receiveExactly(expected.len));
}

test "players join until the countdown is over, and all who wait or watch are told who won" {
    const allocator = std.testing.allocator;
    // Longer than it takes to join.
    var game: Game = try .init(allocator, 500);
    defer game.deinit();
    const server = try allocator.create(sws.AsyncServer);
    defer allocator.destroy(server);
    server.* = sws.AsyncServer.initConfig(allocator, "127.0.0.1:0", &game, .{
        .slots = 64,
        .buffer_pool_size = 64,
        .fiber_stack_size_kb = 256,
    }) catch |err| switch (err) {
        error.RingDenied, error.KernelTooOld => {
            std.debug.print("skipped: runs where a process may have an io_uring of Linux 6.0 or later\n", .{});
            return error.SkipZigTest;
        },
        else => return err,
    };
    defer server.deinit();
    try game.register(server);
    const thread: std.Thread = try .spawn(.{}, run, .{server});
    // Before the sockets close: the server ends first.
    defer thread.join();
    defer server.stop();

    const clients = try allocator.alloc(Client, 4);
    defer allocator.free(clients);
    for (clients) |*client| client.* = try .connect(server.port());
    defer for (clients) |*client| client.close();
    const watcher = &clients[3];
    try watcher.send("GET /watch HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ++
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 101), (try watcher.receiveHead()).status);
    try watcher.send("\x81\x81\x00\x00\x00\x007");
    try hear(watcher, "watching");

    try join(&clients[0], 7, 0, .{ .hp = 100, .atk = 10 }, 200);
    try join(&clients[1], 7, 1, .{ .hp = 30, .atk = 10 }, 200);
    try join(&clients[1], 7, 1, .{ .hp = 30, .atk = 10 }, 200);
    try join(&clients[2], 7, 5, .{ .hp = 30, .atk = 10 }, 400);
    for (clients[0..2]) |*client| try client.send("GET /rooms/7/result HTTP/1.1\r\nHost: a\r\n\r\n");
    // Red hits with 20 for three rounds, then with 10: blue has 10 left.
    const expected = "{\"room\":7,\"winner\":0,\"rounds\":6}";
    for (clients[0..2]) |*client| {
        const response = try client.receive();
        try std.testing.expectEqual(@as(u16, 200), response.status);
        try std.testing.expectEqualStrings(expected, response.body);
    }
    for ([_][]const u8{ "{\"room\":7,\"joined\":0}", "{\"room\":7,\"joined\":1}", "{\"room\":7,\"joined\":1}", expected }) |text| {
        try hear(watcher, text);
    }
    // Afterwards it is there at once, and nobody joins.
    try clients[2].send("GET /rooms/7/result HTTP/1.1\r\nHost: a\r\n\r\n");
    try std.testing.expectEqualStrings(expected, (try clients[2].receive()).body);
    try join(&clients[2], 7, 1, .{ .hp = 30, .atk = 10 }, 409);
    try clients[2].send("GET /rooms/8/result HTTP/1.1\r\nHost: a\r\n\r\n");
    try std.testing.expectEqual(@as(u16, 404), (try clients[2].receive()).status);
}

test "a battle ends when a team is gone, or nobody can hurt the other" {
    var blue = [_]Player{.{ .hp = 10, .atk = 1 }};
    var red = [_]Player{.{ .hp = 5, .atk = 3 }};
    try std.testing.expectEqual(@as(u8, 1), room_battle.simulateCombat(&blue, &red).winner);
    var peaceful = [_]Player{.{ .hp = 1, .atk = 0 }};
    var other = peaceful;
    try std.testing.expectEqual(@as(u8, 2), room_battle.simulateCombat(&peaceful, &other).winner);
    try std.testing.expectEqual(@as(u8, 2), room_battle.simulateCombat(&.{}, &.{}).winner);
}
