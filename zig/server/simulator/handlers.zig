//! The simulated server's application: handlers whose answers a client can predict, and answers that come later.

const std = @import("std");
const sws = @import("../root.zig");
const Server = @import("../server.zig").ServerType(sws.io.Simulated);
const Memory = @import("memory.zig").Memory;
const script = @import("script.zig");
const topics = @import("socket_client.zig").topics;
const Context = sws.Context;

/// An answer that is still to be given, as if by another thread.
const Later = struct { at_ms: u64, conn_id: u64, text: []u8 };

/// A fiber that waits for an event, which is to come. Lies in its frame.
const Waiter = struct { at_ms: u64, fiber: *sws.Fiber, has_come: bool = false };

pub const Application = struct {
    allocator: std.mem.Allocator,
    prng: std.Random.DefaultPrng,
    server: ?*Server = null,
    later: std.ArrayList(Later) = .empty,
    deferred_timeout_ms: u32,
    /// Fibers that wait for the application.
    waiters: std.ArrayList(*Waiter) = .empty,
    /// Tasks of workers that wait by a poll, and how often one was asked.
    polls: u64 = 0,
    /// Times that a fiber went on after others had run.
    resumed: u64 = 0,
    /// Tasks whose result was told on the loop's thread.
    completed: u64 = 0,
    /// By topic: how many messages were broadcast to it.
    broadcast: [topics]u64 = @splat(0),
    /// Those that found no memory.
    broadcast_refused: u64 = 0,
    broadcast_buffer: *[Memory.broadcast_bytes_max]u8,
    /// Bodies in pieces that the server has not let go of.
    producing: u32 = 0,
    lost: u64 = 0,
    /// A handler answers others.
    is_answering: bool = false,
    doubled: u64 = 0,

    pub fn deinit(app: *Application) void {
        for (app.later.items) |later| app.allocator.free(later.text);
        app.later.deinit(app.allocator);
        app.waiters.deinit(app.allocator);
    }

    pub fn register(app: *Application, server: *Server) void {
        app.server = server;
        server.use(setMark);
        server.any("/echo/:id", echo);
        server.any("/owned/:id", owned);
        server.any("/pieces/:id", pieces);
        server.any("/broken/:id", broken);
        server.any("/later/:id", answerLater);
        server.any("/fiber/:id", sws.yielding(answerOnFiber));
        server.any("/task/:id", submitTask);
        server.ws(route, echoMessage);
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
        if (app.prng.random().uintLessThan(u8, 100) < 10) _ = server.invokeOnIoThread(Application, app, broadcastSoon);
        return @min(next, app.wake(now_ms));
    }

    /// Inside of a handler, and with those of nobody more than the queue holds.
    fn answerSome(app: *Application) void {
        app.is_answering = true;
        defer app.is_answering = false;
        for (0..app.prng.random().uintLessThan(usize, 8)) |_| {
            const waiting = app.later.pop() orelse break;
            app.server.?.sendDeferredResponse(waiting.conn_id, 200, .text, waiting.text);
            app.allocator.free(waiting.text);
        }
        for (0..app.server.?.core.config.deferred_max) |_| app.server.?.sendDeferredResponse(0, 200, .text, "nobody's");
    }

    fn broadcastSoon(_: std.mem.Allocator, app: *Application) void {
        app.broadcastSome();
    }

    fn broadcastSome(app: *Application) void {
        const random = app.prng.random();
        // Now and then more at once than a slow one may leave waiting, or than one send takes.
        const count: usize = if (random.uintLessThan(u8, 20) == 0) 8 else 1;
        const is_large = random.uintLessThan(u8, if (count > 1) 2 else 10) == 0;
        for (0..count) |_| app.broadcastOne(if (is_large) 12_000 else 300);
    }

    fn broadcastOne(app: *Application, bytes_max: usize) void {
        const random = app.prng.random();
        const topic = random.uintLessThan(usize, topics);
        const buffer = app.broadcast_buffer;
        const head = std.fmt.bufPrint(buffer, "B{d}{d} ", .{ topic, app.broadcast[topic] }) catch unreachable;
        const len = random.uintAtMost(usize, bytes_max);
        @memcpy(buffer[head.len..][0..len], script.filler[0..len]);
        if (app.server.?.broadcast(topic_names[topic], .text, buffer[0 .. head.len + len])) |_| {
            app.broadcast[topic] += 1;
        } else |err| {
            if (err != error.OutOfMemory) @panic("a broadcast that fits was refused");
            app.broadcast_refused += 1;
        }
    }

    /// The events that fibers wait for, in another order than they were asked for.
    fn wake(app: *Application, now_ms: u64) u64 {
        var next: u64 = std.math.maxInt(u64);
        var i: usize = 0;
        while (i < app.waiters.items.len) {
            const waiter = app.waiters.items[i];
            // One too many must not matter.
            if (app.prng.random().uintLessThan(u8, 100) < 2) waiter.fiber.unpark();
            if (waiter.at_ms > now_ms) {
                next = @min(next, waiter.at_ms);
                i += 1;
                continue;
            }
            _ = app.waiters.swapRemove(i);
            waiter.has_come = true;
            waiter.fiber.unpark();
        }
        return next;
    }

    fn of(ctx: anytype) *Application {
        const app: *Application = @ptrCast(@alignCast(ctx.app_ctx.?));
        if (app.is_answering) @panic("a handler runs within another");
        return app;
    }

    fn delayMs(app: *Application) u64 {
        const random = app.prng.random();
        return switch (random.uintLessThan(u8, 100)) {
            0...79 => random.uintLessThan(u64, 10),
            80...97 => random.uintLessThan(u64, 300),
            else => app.deferred_timeout_ms + random.uintLessThan(u64, 2000),
        };
    }
};

/// A field of every answer but the server's refusals, longer than a usual head now and then.
pub const mark_name = "x-mark";

pub fn markValue(path_bytes: usize) []const u8 {
    return script.filler[0 .. 1 + (path_bytes * 37) % 700];
}

fn setMark(_: std.mem.Allocator, ctx: *Context) anyerror!void {
    try ctx.setHeader(mark_name, markValue(ctx.path().len));
}

fn wanted(ctx: anytype) usize {
    return std.fmt.parseInt(usize, ctx.query().?["n=".len..], 10) catch unreachable;
}

fn writeText(ctx: anytype, buffer: []u8) []u8 {
    return std.fmt.bufPrint(buffer, "{s} {s} {d} {x}\n", .{
        ctx.method(),
        ctx.param("id").?,
        ctx.body().len,
        std.hash.Wyhash.hash(0, ctx.body()),
    }) catch unreachable;
}

fn echo(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    const app: *Application = .of(ctx);
    if (app.prng.random().uintLessThan(u8, 10) == 0) app.answerSome();
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
    const body = try textAndFiller(app.allocator, ctx);
    try app.later.append(app.allocator, .{ .at_ms = ctx.core.now_ms + delay_ms, .conn_id = ctx.conn_id, .text = body });
}

const route = "/ws/:id";
const topic_names = [topics][]const u8{ route, "group 0", "group 1" };

fn echoMessage(allocator: std.mem.Allocator, socket: *sws.WebSocket, message: sws.Message) anyerror!void {
    defer allocator.free(message.payload);
    const payload = message.payload;
    if (payload.len == 2 and (payload[0] == '+' or payload[0] == '-')) {
        const topic = topic_names[payload[1] - '0'];
        if (payload[0] == '+') try socket.subscribe(topic) else socket.unsubscribe(topic);
        // The echo says from when on it holds.
        return socket.send(message.opcode, payload);
    }
    const app: *Application = @ptrCast(@alignCast(socket.app_ctx.?));
    // While events of the same turn wait for others that hear it.
    if (app.prng.random().uintLessThan(u8, 20) == 0) app.broadcastSome();
    try socket.send(message.opcode, payload);
}

/// Waits again and again, and finds its frame and its request as they were.
fn answerOnFiber(allocator: std.mem.Allocator, ctx: *sws.FiberContext) anyerror!void {
    const app: *Application = .of(ctx);
    const random = app.prng.random();
    var frame: [200]u64 = undefined;
    const mark = random.int(u64);
    for (&frame, 0..) |*word, i| word.* = mark +% i;
    for (0..random.uintLessThan(usize, 6)) |_| {
        switch (random.uintLessThan(u8, 4)) {
            0 => sws.Fiber.yield(),
            1 => sws.Fiber.sleep(random.uintLessThan(u64, 20)),
            else => {
                var waiter: Waiter = .{ .at_ms = ctx.core.now_ms + app.delayMs(), .fiber = sws.Fiber.current().? };
                try app.waiters.append(app.allocator, &waiter);
                while (!waiter.has_come) sws.Fiber.park();
            },
        }
        app.resumed += 1;
        if (random.uintLessThan(u8, 20) == 0) app.broadcastOne(1000);
        for (frame, 0..) |word, i| if (word != mark +% i) @panic("a fiber's frame was written over");
    }
    const body = try textAndFiller(allocator, ctx);
    defer allocator.free(body);
    ctx.text(200, body);
}

fn textAndFiller(allocator: std.mem.Allocator, ctx: anytype) ![]u8 {
    var buffer: [96]u8 = undefined;
    const text = writeText(ctx, &buffer);
    const body = try allocator.alloc(u8, text.len + wanted(ctx) % 2000);
    @memcpy(body[0..text.len], text);
    @memcpy(body[text.len..], script.filler[0 .. body.len - text.len]);
    return body;
}

/// As the seed's: the context and what it points to are its own.
const TaskContext = struct {
    allocator: std.mem.Allocator,
    app: *Application,
    server: *Server,
    conn_id: u64,
    body: []u8,
    polls_left: u32,

    pub fn onComplete(c: *TaskContext, result: []const u8) void {
        c.app.completed += 1;
        c.server.sendDeferredResponse(c.conn_id, 200, .text, result);
    }

    fn run(c: *TaskContext, complete: *const fn (?*anyopaque, []const u8) void) void {
        defer c.allocator.destroy(c);
        defer c.allocator.free(c.body);
        sws.Fiber.workerYield(isDone, c);
        complete(c, c.body);
    }

    fn isDone(context: *anyopaque) bool {
        const c: *TaskContext = @ptrCast(@alignCast(context));
        c.app.polls += 1;
        if (c.polls_left == 0) return true;
        c.polls_left -= 1;
        return false;
    }
};

fn submitTask(allocator: std.mem.Allocator, ctx: *Context) anyerror!void {
    const app: *Application = .of(ctx);
    const body = try textAndFiller(allocator, ctx);
    errdefer allocator.free(body);
    ctx.deferred = true;
    try sws.Next.submit(TaskContext, .{
        .allocator = allocator,
        .app = app,
        .server = @ptrCast(@alignCast(ctx.server.?)),
        .conn_id = ctx.conn_id,
        .body = body,
        .polls_left = app.prng.random().uintLessThan(u32, 10),
    }, TaskContext.run);
}

fn fail(_: std.mem.Allocator, _: *Context) anyerror!void {
    return error.Simulated;
}
