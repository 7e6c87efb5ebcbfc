//! Rooms whose players fight when a countdown is over: `zig build run-room-battle -- --port 8080`. All state is the loop's
//! thread's, so there is no lock; what computes is a worker's.
//!
//! ```
//! curl -X POST localhost:8080/rooms/1/join/0 -d 'hp=300 atk=30'      # into team 0; the first one starts the countdown
//! curl -X POST localhost:8080/rooms/1/join/1 -d 'hp=280 atk=35'
//! curl localhost:8080/rooms/1/result                                 # answers when the battle is over
//! ```
//! A WebSocket at `/watch` that says `1` is told what happens in room 1.
//!
//! The way of a room: a request says a command as its deferred answer, which `roomCommand` sees before it is sent; `roomTick`
//! sees in every turn whose countdown is over, and submits the battle; `Battle.onComplete` is back on the loop's thread, and tells
//! everybody.

const std = @import("std");
const sws = @import("sws");
const AsyncServer = sws.AsyncServer;
const Context = sws.Context;

/// As many as one message of a room's end may wait for, and as one turn looks at without being felt.
const rooms_max = 1000;
const team_players_max = 100;
const waiting_max = 2 * team_players_max;

pub const Player = struct { hp: u32, atk: u32 };

pub const Room = struct {
    id: u64,
    state: enum { waiting, fighting, settled } = .waiting,
    /// Of the server's clock.
    deadline_ms: u64,
    teams: [2]std.ArrayList(Player) = .{ .empty, .empty },
    /// Requests for the result.
    waiting: std.ArrayList(u64) = .empty,
    result: [64]u8 = undefined,
    result_len: usize = 0,
};

pub const Game = struct {
    allocator: std.mem.Allocator,
    countdown_ms: u64,
    rooms: std.ArrayList(Room) = .empty,
    refused: u64 = 0,

    pub fn init(allocator: std.mem.Allocator, countdown_ms: u64) error{OutOfMemory}!Game {
        return .{ .allocator = allocator, .countdown_ms = countdown_ms, .rooms = try .initCapacity(allocator, rooms_max) };
    }

    pub fn deinit(game: *Game) void {
        for (game.rooms.items) |*room| {
            for (&room.teams) |*team| team.deinit(game.allocator);
            room.waiting.deinit(game.allocator);
        }
        game.rooms.deinit(game.allocator);
    }

    pub fn register(game: *Game, server: *AsyncServer) !void {
        server.app_ctx = game;
        server.core.app_ctx = game;
        server.POST("/rooms/:id/join/:team", join);
        server.GET("/rooms/:id/result", result);
        server.ws("/watch", watch);
        try server.addHookTick(roomTick);
        try server.addHookDeferred(roomCommand);
        try server.initPool4NextSubmit(1);
    }

    fn of(context: ?*anyopaque) *Game {
        return @ptrCast(@alignCast(context.?));
    }

    fn find(game: *Game, id: u64) ?*Room {
        for (game.rooms.items) |*room| if (room.id == id) return room;
        return null;
    }

    /// `join ROOM TEAM hp=N atk=N`
    fn processCommand(game: *Game, server: *AsyncServer, command: []const u8) !void {
        var words = std.mem.tokenizeScalar(u8, command, ' ');
        if (!std.mem.eql(u8, words.next() orelse return, "join")) return;
        const id = try std.fmt.parseInt(u64, words.next() orelse return error.InvalidCommand, 10);
        const team = try std.fmt.parseInt(u1, words.next() orelse return error.InvalidCommand, 10);
        const player: Player = .{ .hp = try number(words.next(), "hp="), .atk = try number(words.next(), "atk=") };
        const room = game.find(id) orelse room: {
            if (game.rooms.items.len == rooms_max) return error.TooManyRooms;
            game.rooms.appendAssumeCapacity(.{ .id = id, .deadline_ms = server.monotonic_ms() + game.countdown_ms });
            break :room &game.rooms.items[game.rooms.items.len - 1];
        };
        if (room.state != .waiting) return error.TooLate;
        if (room.teams[team].items.len == team_players_max) return error.TeamFull;
        try room.teams[team].append(game.allocator, player);
        var text: [64]u8 = undefined;
        try tell(server, id, try std.fmt.bufPrint(&text, "{{\"room\":{d},\"joined\":{d}}}", .{ id, team }));
    }

    fn number(word: ?[]const u8, prefix: []const u8) !u32 {
        const text = word orelse return error.InvalidCommand;
        if (!std.mem.startsWith(u8, text, prefix)) return error.InvalidCommand;
        return std.fmt.parseInt(u32, text[prefix.len..], 10);
    }
};

/// Everybody who watches the room.
fn tell(server: *AsyncServer, room_id: u64, text: []const u8) !void {
    var topic: [32]u8 = undefined;
    _ = try server.broadcast(try std.fmt.bufPrint(&topic, "room:{d}", .{room_id}), .text, text);
}

/// The command is the answer, too: the hook sees it first.
fn join(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const server: *AsyncServer = @ptrCast(@alignCast(ctx.server.?));
    var command: [256]u8 = undefined;
    const text = try std.fmt.bufPrint(&command, "join {s} {s} {s}", .{ ctx.param("id").?, ctx.param("team").?, ctx.body() });
    ctx.deferred = true;
    server.sendDeferredResponse(ctx.conn_id, 200, .text, text);
}

fn result(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const game: *Game = .of(ctx.app_ctx);
    const id = std.fmt.parseInt(u64, ctx.param("id").?, 10) catch return ctx.text(404, "no such room\n");
    const room = game.find(id) orelse return ctx.text(404, "no such room\n");
    if (room.state == .settled) return ctx.json(200, room.result[0..room.result_len]);
    if (room.waiting.items.len == waiting_max) return ctx.text(503, "too many wait for this room\n");
    try room.waiting.append(game.allocator, ctx.conn_id);
    ctx.deferred = true;
}

fn watch(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    var topic: [32]u8 = undefined;
    const id = std.fmt.parseInt(u64, message.payload, 10) catch return socket.close(.policy_violation, "the number of a room");
    try socket.subscribe(try std.fmt.bufPrint(&topic, "room:{d}", .{id}));
    try socket.text("watching");
}

fn roomTick(server: *AsyncServer) void {
    const game: *Game = .of(server.app_ctx);
    for (game.rooms.items) |*room| {
        if (room.state == .waiting and server.monotonic_ms() >= room.deadline_ms) {
            // Tried again in the next turn where there is no room for the task now.
            startBattle(game, server, room) catch |err| return std.log.warn("room {d}: {t}", .{ room.id, err });
            room.state = .fighting;
        }
    }
}

fn roomCommand(server: *AsyncServer, node: *sws.DeferredNode) void {
    const game: *Game = .of(server.app_ctx);
    game.processCommand(server, node.body) catch |err| {
        game.refused += 1;
        node.status = if (err == error.TooLate or err == error.TeamFull) 409 else 400;
    };
}

fn startBattle(game: *Game, server: *AsyncServer, room: *Room) !void {
    const blue = try game.allocator.dupe(Player, room.teams[0].items);
    errdefer game.allocator.free(blue);
    const red = try game.allocator.dupe(Player, room.teams[1].items);
    errdefer game.allocator.free(red);
    try sws.Next.submit(Battle, .{ .server = server, .room_id = room.id, .teams = .{ blue, red } }, Battle.fight);
}

/// A copy of what the battle needs: the worker sees nothing of the loop's.
const Battle = struct {
    server: *AsyncServer,
    room_id: u64,
    teams: [2][]Player,

    /// On a worker.
    fn fight(c: *Battle, complete: *const fn (?*anyopaque, []const u8) void) void {
        const outcome = simulateCombat(c.teams[0], c.teams[1]);
        var text: [64]u8 = undefined;
        complete(c, std.fmt.bufPrint(&text, "{{\"room\":{d},\"winner\":{d},\"rounds\":{d}}}", .{
            c.room_id, outcome.winner, outcome.rounds,
        }) catch unreachable);
    }

    /// On the loop's thread.
    pub fn onComplete(c: *Battle, text: []const u8) void {
        const game: *Game = .of(c.server.app_ctx);
        for (c.teams) |team| game.allocator.free(team);
        const room = game.find(c.room_id).?;
        room.state = .settled;
        @memcpy(room.result[0..text.len], text);
        room.result_len = text.len;
        for (room.waiting.items) |conn_id| c.server.sendDeferredResponse(conn_id, 200, .json, text);
        room.waiting.clearRetainingCapacity();
        tell(c.server, room.id, text) catch |err| std.log.warn("room {d}: {t}", .{ room.id, err });
    }
};

const Outcome = struct { winner: u8, rounds: u32 };

/// Who stands hits the other team's first one that stands, both at once, until a team is gone. Team 2 is nobody.
pub fn simulateCombat(blue: []Player, red: []Player) Outcome {
    var rounds: u32 = 0;
    while (rounds < rounds_max) : (rounds += 1) {
        const blue_left = standing(blue);
        const red_left = standing(red);
        if (blue_left == null and red_left == null) return .{ .winner = 2, .rounds = rounds };
        if (red_left == null) return .{ .winner = 0, .rounds = rounds };
        if (blue_left == null) return .{ .winner = 1, .rounds = rounds };
        const hits: [2]u32 = .{ strength(blue), strength(red) };
        red[red_left.?].hp -|= hits[0];
        blue[blue_left.?].hp -|= hits[1];
    }
    return .{ .winner = 2, .rounds = rounds };
}

/// Players without an attack would never end.
const rounds_max = 100_000;

fn standing(team: []const Player) ?usize {
    for (team, 0..) |player, i| if (player.hp > 0) return i;
    return null;
}

fn strength(team: []const Player) u32 {
    var sum: u32 = 0;
    for (team) |player| {
        if (player.hp > 0) sum +|= player.atk;
    }
    return sum;
}

pub fn main(init: std.process.Init) !void {
    var port: u16 = 8080;
    var arguments = init.minimal.args.iterate();
    _ = arguments.next();
    while (arguments.next()) |argument| {
        const value = arguments.next() orelse return usage(argument);
        if (!std.mem.eql(u8, argument, "--port")) return usage(argument);
        port = std.fmt.parseInt(u16, value, 10) catch return usage(value);
    }
    var buffer: [32]u8 = undefined;
    const address = try std.fmt.bufPrint(&buffer, "0.0.0.0:{d}", .{port});
    const allocator = std.heap.smp_allocator;
    var game: Game = try .init(allocator, 5_000);
    defer game.deinit();
    var server = try AsyncServer.init(allocator, init.io, address, &game, 64);
    defer server.deinit();
    try game.register(&server);
    std.log.info("listening on port {d}", .{server.port()});
    try server.run();
}

fn usage(argument: []const u8) error{InvalidArgument} {
    std.log.err("{s}: expected --port N", .{argument});
    return error.InvalidArgument;
}

test {
    _ = @import("room_battle_test.zig");
}
