//! The simulated server's application: handlers whose answers a client can predict, and answers that come later.

const std = @import("std");
const sws = @import("../root.zig");
const Server = @import("../server.zig").ServerType(sws.io.Simulated);
const script = @import("script.zig");
const Context = sws.Context;

/// An answer that is still to be given, as if by another thread.
const Later = struct { at_ms: u64, conn_id: u64, text: []u8 };

pub const Application = struct {
    allocator: std.mem.Allocator,
    prng: std.Random.DefaultPrng,
    later: std.ArrayList(Later) = .empty,
    deferred_timeout_ms: u32,
    /// Bodies in pieces that the server has not let go of.
    producing: u32 = 0,
    lost: u64 = 0,
    doubled: u64 = 0,

    pub fn deinit(app: *Application) void {
        for (app.later.items) |later| app.allocator.free(later.text);
        app.later.deinit(app.allocator);
    }

    pub fn register(_: *Application, server: *Server) void {
        server.any("/echo/:id", echo);
        server.any("/owned/:id", owned);
        server.any("/pieces/:id", pieces);
        server.any("/broken/:id", broken);
        server.any("/later/:id", answerLater);
        server.any("/fail/:id", fail);
    }

    /// Gives the answers whose time has come; says when the next one's does.
    pub fn step(app: *Application, server: *Server, now_ms: u64) u64 {
        var next: u64 = std.math.maxInt(u64);
        var i: usize = 0;
        while (i < app.later.items.len) {
            const later = app.later.items[i];
            if (later.at_ms > now_ms) {
                next = @min(next, later.at_ms);
                i += 1;
                continue;
            }
            _ = app.later.swapRemove(i);
            server.sendDeferredResponse(later.conn_id, 200, .text, later.text);
            if (app.prng.random().uintLessThan(u8, 100) < 5) {
                // Whoever answers twice must not answer the next request.
                app.doubled += 1;
                server.sendDeferredResponse(later.conn_id, 200, .text, "twice");
            }
            app.allocator.free(later.text);
        }
        return next;
    }

    fn of(ctx: *const Context) *Application {
        return @ptrCast(@alignCast(ctx.app_ctx.?));
    }
};

fn wanted(ctx: *const Context) usize {
    return std.fmt.parseInt(usize, ctx.query().?["n=".len..], 10) catch unreachable;
}

fn writeText(ctx: *const Context, buffer: []u8) []u8 {
    return std.fmt.bufPrint(buffer, "{s} {s} {d} {x}\n", .{
        ctx.method(),
        ctx.param("id").?,
        ctx.body().len,
        std.hash.Crc32.hash(ctx.body()),
    }) catch unreachable;
}

fn echo(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    var buffer: [96]u8 = undefined;
    const text = writeText(ctx, &buffer);
    const body = try allocator.alloc(u8, text.len + wanted(ctx));
    defer allocator.free(body);
    @memcpy(body[0..text.len], text);
    @memcpy(body[text.len..], script.filler[0 .. body.len - text.len]);
    ctx.respond(200, null, body);
}

fn owned(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    ctx.respondAllocated(200, null, try allocator.dupe(u8, script.filler[0..wanted(ctx)]));
}

/// A body in pieces of any length.
const Pieces = struct { app: *Application, at: usize = 0, end: usize, breaks: bool };

fn pieces(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    try startPieces(allocator, ctx, false);
}

fn broken(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    try startPieces(allocator, ctx, true);
}

fn startPieces(allocator: std.mem.Allocator, ctx: *Context, breaks: bool) !void {
    const state = try allocator.create(Pieces);
    state.* = .{ .app = .of(ctx), .end = wanted(ctx), .breaks = breaks };
    state.app.producing += 1;
    ctx.respondPieces(200, "text/plain", nextPiece, endPieces, state);
}

fn nextPiece(context: ?*anyopaque, into: []u8) anyerror!usize {
    const state: *Pieces = @ptrCast(@alignCast(context.?));
    if (state.at == state.end) return if (state.breaks) error.Broken else 0;
    const len = 1 + state.app.prng.random().uintLessThan(usize, @min(into.len, state.end - state.at));
    @memcpy(into[0..len], script.filler[state.at..][0..len]);
    state.at += len;
    return len;
}

fn endPieces(context: ?*anyopaque, _: []const u8) void {
    const state: *Pieces = @ptrCast(@alignCast(context.?));
    state.app.producing -= 1;
    state.app.allocator.destroy(state);
}

fn answerLater(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    const app: *Application = .of(ctx);
    ctx.deferred = true;
    const random = app.prng.random();
    const delay_ms: u64 = switch (random.uintLessThan(u8, 100)) {
        0...79 => random.uintLessThan(u64, 10),
        80...95 => random.uintLessThan(u64, 300),
        96, 97 => app.deferred_timeout_ms + random.uintLessThan(u64, 2000),
        else => {
            app.lost += 1;
            return;
        },
    };
    var buffer: [96]u8 = undefined;
    const text = writeText(ctx, &buffer);
    const body = try app.allocator.alloc(u8, text.len + wanted(ctx) % 2000);
    @memcpy(body[0..text.len], text);
    @memcpy(body[text.len..], script.filler[0 .. body.len - text.len]);
    try app.later.append(app.allocator, .{ .at_ms = ctx.core.now_ms + delay_ms, .conn_id = ctx.conn_id, .text = body });
}

fn fail(_: std.mem.Allocator, _: *Context) anyerror!void {
    return error.Simulated;
}
