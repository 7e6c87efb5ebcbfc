//! A `SELECT 1` and a PING through a Pipe: libraries that wait for their answers, on fibers of one loop's thread.
//!
//! ```
//! zig build run-pipe -- --postgres postgres://user:password@127.0.0.1:5432/database --redis redis://127.0.0.1:6379
//! ```

const std = @import("std");
const sws = @import("sws");
const postgres = @import("postgres.zig");
const redis = @import("redis.zig");

/// A server to talk to, and what it answered.
pub const Visit = struct {
    /// `postgres://` or `redis://`, with a host and a port.
    url: []const u8,
    server: *sws.AsyncServer = undefined,
    left: *u32 = undefined,
    pipe: sws.Pipe = undefined,
    answer_buffer: [64]u8 = undefined,
    answer: anyerror![]const u8 = error.Unanswered,

    const Ctx = struct { visit: *Visit };

    fn exec(ctx: *Ctx, _: *const fn (?*anyopaque, []const u8) void) void {
        const visit = ctx.visit;
        visit.answer = visit.talk();
        visit.left.* -= 1;
        if (visit.left.* == 0) visit.server.stop();
    }

    /// On a fiber: everything here waits, and nobody else does.
    fn talk(visit: *Visit) ![]const u8 {
        const url: std.Uri = try .parse(visit.url);
        const allocator = visit.server.allocator;
        const client = try sws.RingSharedClient.init(allocator, visit.server.rs, sws.Pipe.onData, sws.Pipe.onClose, &visit.pipe);
        defer client.deinit();
        visit.pipe = try .init(allocator, client);
        defer visit.pipe.deinit();
        var host: [256]u8 = undefined;
        const component = url.host orelse return error.NoHost;
        try visit.pipe.connect(try component.toRaw(&host), url.port orelse return error.NoPort);
        defer visit.pipe.close();
        if (std.mem.eql(u8, url.scheme, "redis")) return visit.ping();
        if (std.mem.eql(u8, url.scheme, "postgres")) return visit.select(url);
        return error.UnknownScheme;
    }

    fn ping(visit: *Visit) ![]const u8 {
        const answer = try redis.ping(visit.pipe.reader(), visit.pipe.writer());
        return std.fmt.bufPrint(&visit.answer_buffer, "{s}", .{answer});
    }

    fn select(visit: *Visit, url: std.Uri) ![]const u8 {
        var buffers: [3][256]u8 = undefined;
        var nonce: [18]u8 = undefined;
        visit.server.io.randomBytes(&nonce);
        const session: postgres.Connection = try .login(visit.pipe.reader(), visit.pipe.writer(), .{
            .user = try (url.user orelse return error.NoUser).toRaw(&buffers[0]),
            .password = try (url.password orelse return error.NoPassword).toRaw(&buffers[1]),
            .database = std.mem.trimStart(u8, try url.path.toRaw(&buffers[2]), "/"),
        }, nonce);
        const value = try session.queryValue("SELECT 1", &visit.answer_buffer);
        try session.terminate();
        return value;
    }
};

/// Until all have their answers.
pub fn run(allocator: std.mem.Allocator, io: std.Io, visits: []Visit) !void {
    var server = try sws.AsyncServer.init(allocator, io, "127.0.0.1:0", null, 0);
    defer server.deinit();
    // `Next.go` belongs to the loop's thread: this one, from here on.
    try server.begin();
    var left: u32 = @intCast(visits.len);
    for (visits) |*visit| {
        visit.server = &server;
        visit.left = &left;
        try sws.Next.go(Visit.Ctx, .{ .visit = visit }, Visit.exec);
    }
    while (!server.isDone()) try server.turn();
}

pub fn main(init: std.process.Init) !void {
    var visits: [16]Visit = undefined;
    var count: usize = 0;
    var arguments = init.minimal.args.iterate();
    _ = arguments.next();
    while (arguments.next()) |argument| {
        if (!std.mem.eql(u8, argument, "--postgres") and !std.mem.eql(u8, argument, "--redis")) return usage(argument);
        if (count == visits.len) return usage("too many");
        visits[count] = .{ .url = arguments.next() orelse return usage(argument) };
        count += 1;
    }
    if (count == 0) return usage("nothing to ask");
    try run(init.gpa, init.io, visits[0..count]);
    for (visits[0..count]) |*visit| {
        const what = if (std.mem.startsWith(u8, visit.url, "redis:")) "PING" else "SELECT 1";
        std.debug.print("{s}: {s}\n", .{ what, try visit.answer });
    }
}

fn usage(argument: []const u8) error{InvalidArgument} {
    std.log.err("{s}: expected --postgres postgres://USER:PASSWORD@HOST:PORT/DATABASE or --redis redis://HOST:PORT", .{argument});
    return error.InvalidArgument;
}

test {
    _ = @import("pipe_test.zig");
    _ = postgres;
}
