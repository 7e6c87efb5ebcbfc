//! Requests of the simulated application to a server outside, that answers in every framing, in pieces, too early, or not at
//! all. Each response says which request it is for: none may be given to another one, whatever connection it came by.

const std = @import("std");
const sws = @import("../root.zig");
const http_exchange = @import("../outgoing/http_exchange.zig");
const Connection = @import("../io/simulated.zig").Connection;
const Server = @import("../server.zig").ServerType(sws.io.Simulated);
const Exchanges = http_exchange.HttpExchangesType(sws.io.Simulated);
const TinyCache = @import("../outgoing/tiny_cache.zig").TinyCacheType(sws.io.Simulated);
const ms = std.time.ns_per_ms;

const askers_max = 6;
const body_bytes_max = 3000;
const request_bytes_max = 4000;

pub const Failure = error{ WrongResponse, OutcomeMissing, OutOfMemory };

/// When a far end goes away on its own: half of them stay.
pub fn diesNs(random: std.Random, now_ns: u64) u64 {
    return if (random.boolean()) now_ns + random.uintLessThan(u64, 3_000 * ms) else std.math.maxInt(u64);
}

fn fill(into: []u8, number: u32) void {
    for (into, 0..) |*byte, i| byte.* = @truncate(i *% 13 +% number *% 101);
}

const Asker = struct {
    questions: *Questions,
    number: u32 = 0,
    wanted: usize = 0,
    exchange: ?*Exchanges.Exchange = null,
    url_buffer: [64]u8 = undefined,
    body: [1500]u8 = undefined,
    next_ns: u64 = 0,

    fn step(asker: *Asker) Failure!void {
        const questions = asker.questions;
        const io = &questions.server.io;
        const random = questions.prng.random();
        if (io.now_ns < asker.next_ns) return;
        asker.next_ns = io.now_ns + random.uintLessThan(u64, 80 * ms);
        if (asker.exchange) |exchange| {
            if (random.uintLessThan(u8, 100) > 0) return;
            questions.exchanges.cancel(exchange);
            asker.exchange = null;
            questions.cancelled += 1;
            return;
        }
        if (questions.is_ending) return;
        questions.number += 1;
        asker.number = questions.number;
        asker.wanted = random.uintAtMost(usize, body_bytes_max);
        const url = std.fmt.bufPrint(&asker.url_buffer, "http://192.0.2.{d}/{d}/{d}", .{ 1 + random.uintLessThan(u8, 2), asker.number, asker.wanted }) catch unreachable;
        const body = asker.body[0..random.uintLessThan(usize, asker.body.len)];
        @memset(body, 'b');
        const has_body = random.boolean();
        asker.exchange = questions.exchanges.start(.{
            .method = if (has_body) "POST" else "GET",
            .url = url,
            .body = if (has_body) body else null,
        }, .{ .ptr = asker, .on = onOutcome }) catch |err| {
            if (err == error.OutOfMemory) return error.OutOfMemory;
            questions.failed += 1;
            return;
        };
    }

    fn onOutcome(ptr: *anyopaque, outcome: http_exchange.Outcome) void {
        const asker: *Asker = @ptrCast(@alignCast(ptr));
        const questions = asker.questions;
        if (asker.exchange == null) questions.failure = error.WrongResponse;
        asker.exchange = null;
        const response = outcome catch {
            questions.failed += 1;
            return;
        };
        defer response.deinit();
        questions.answered += 1;
        var expected: [body_bytes_max]u8 = undefined;
        fill(expected[0..asker.wanted], asker.number);
        // Without a length nobody can tell whether all of it came.
        const has_end = response.header("content-length") != null or response.header("transfer-encoding") != null;
        const wanted = if (has_end) asker.wanted else @min(response.body.len, asker.wanted);
        if (response.status != 200 or !std.mem.eql(u8, response.body, expected[0..wanted])) questions.failure = error.WrongResponse;
    }
};

/// The server outside, of one connection.
const Answerer = struct {
    connection: *Connection,
    next_ns: u64 = 0,
    /// When it goes away, even if nothing happens.
    dies_ns: u64,
    request: [request_bytes_max]u8 = undefined,
    request_len: usize = 0,
    response: [body_bytes_max + 1024]u8 = undefined,
    response_len: usize = 0,
    sent: usize = 0,
    closes: bool = false,
    done: bool = false,

    fn step(answerer: *Answerer, questions: *Questions) void {
        const io = &questions.server.io;
        const random = questions.prng.random();
        if (io.now_ns < answerer.nextNs()) return;
        answerer.next_ns = io.now_ns + random.uintLessThan(u64, 5 * ms);
        if (io.now_ns >= answerer.dies_ns or random.uintLessThan(u16, 1000) < 3) {
            answerer.done = true;
            if (random.boolean()) return io.clientReset(answerer.connection);
            return answerer.release();
        }
        if (answerer.sent < answerer.response_len) {
            const some = 1 + random.uintLessThan(usize, answerer.response_len - answerer.sent);
            answerer.sent += answerer.connection.clientWrite(answerer.response[answerer.sent..][0..some]);
            if (answerer.sent == answerer.response_len and answerer.closes) answerer.release();
            return;
        }
        switch (answerer.connection.clientRead(answerer.request[answerer.request_len..])) {
            .nothing => {},
            .end, .reset => answerer.release(),
            .bytes => |count| {
                answerer.request_len += count;
                answerer.answer(random);
            },
        }
    }

    /// When it acts next, as things stand.
    fn nextNs(answerer: *const Answerer) u64 {
        const connection = answerer.connection;
        const can_act = if (answerer.sent < answerer.response_len) connection.isWritable() else connection.isReadable();
        return if (can_act) @min(answerer.next_ns, answerer.dies_ns) else answerer.dies_ns;
    }

    fn answer(answerer: *Answerer, random: std.Random) void {
        const message = answerer.request[0..answerer.request_len];
        const head_bytes = (std.mem.indexOf(u8, message, "\r\n\r\n") orelse return) + 4;
        var body_bytes: usize = 0;
        if (std.mem.indexOf(u8, message[0..head_bytes], "Content-Length: ")) |at| {
            const digits = message[at + "Content-Length: ".len ..];
            body_bytes = std.fmt.parseInt(usize, digits[0..std.mem.indexOfScalar(u8, digits, '\r').?], 10) catch unreachable;
        }
        // Whoever answers too early keeps the connection from being used again, or reads the rest.
        const is_early = random.uintLessThan(u8, 20) == 0;
        if (message.len < head_bytes + body_bytes and !is_early) return;
        var parts = std.mem.splitAny(u8, message, "/ ");
        _ = parts.next();
        _ = parts.next();
        const number = std.fmt.parseInt(u32, parts.next().?, 10) catch unreachable;
        const wanted = std.fmt.parseInt(usize, parts.next().?, 10) catch unreachable;
        answerer.request_len = 0;
        answerer.sent = 0;
        answerer.closes = is_early;
        var body: [body_bytes_max]u8 = undefined;
        fill(body[0..wanted], number);
        var writer: std.Io.Writer = .fixed(&answerer.response);
        if (random.uintLessThan(u8, 10) == 0) writer.writeAll("HTTP/1.1 103 Early Hints\r\n\r\n") catch unreachable;
        switch (random.uintLessThan(u8, 3)) {
            0 => {
                writer.print("HTTP/1.1 200 OK\r\nContent-Length: {d}\r\n\r\n", .{wanted}) catch unreachable;
                writer.writeAll(body[0..wanted]) catch unreachable;
            },
            1 => {
                writer.writeAll("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") catch unreachable;
                const half = wanted / 2;
                if (half > 0) writer.print("{x}\r\n{s}\r\n", .{ half, body[0..half] }) catch unreachable;
                if (wanted > half) writer.print("{x}\r\n{s}\r\n", .{ wanted - half, body[half..wanted] }) catch unreachable;
                writer.writeAll("0\r\n\r\n") catch unreachable;
            },
            else => {
                answerer.closes = true;
                writer.writeAll("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n") catch unreachable;
                writer.writeAll(body[0..wanted]) catch unreachable;
            },
        }
        answerer.response_len = writer.end;
    }

    fn release(answerer: *Answerer) void {
        answerer.done = true;
        answerer.connection.client_finished = true;
        answerer.connection.client_released = true;
    }
};

pub const Questions = struct {
    allocator: std.mem.Allocator,
    server: *Server,
    prng: std.Random.DefaultPrng,
    cache: TinyCache,
    exchanges: Exchanges,
    askers: [askers_max]Asker = undefined,
    askers_len: usize,
    answerers: std.ArrayList(*Answerer) = .empty,
    number: u32 = 0,
    is_ending: bool = false,
    failure: ?Failure = null,
    answered: u64 = 0,
    failed: u64 = 0,
    cancelled: u64 = 0,

    /// In place, as sockets keep where the cache is.
    pub fn init(questions: *Questions, allocator: std.mem.Allocator, server: *Server, seed: u64) Failure!void {
        questions.* = .{
            .allocator = allocator,
            .server = server,
            .prng = .init(seed),
            .cache = .{ .ttl_ms = 200 },
            .exchanges = undefined,
            .askers_len = 0,
        };
        questions.askers_len = questions.prng.random().uintAtMost(usize, askers_max);
        questions.exchanges = try .init(allocator, server.rs, &questions.cache, .{
            .timeout_ms = 600,
            .connect_timeout_ms = 300,
            .exchanges_max = 4,
            .body_bytes_max = body_bytes_max,
        });
        for (questions.askers[0..questions.askers_len]) |*asker| asker.* = .{ .questions = questions };
    }

    pub fn deinit(questions: *Questions) void {
        questions.exchanges.deinit();
        for (questions.answerers.items) |answerer| questions.allocator.destroy(answerer);
        questions.answerers.deinit(questions.allocator);
    }

    pub fn take(questions: *Questions, connection: *Connection) Failure!void {
        const answerer = try questions.allocator.create(Answerer);
        errdefer questions.allocator.destroy(answerer);
        answerer.* = .{ .connection = connection, .dies_ns = diesNs(questions.prng.random(), questions.server.io.now_ns) };
        try questions.answerers.append(questions.allocator, answerer);
    }

    pub fn step(questions: *Questions) Failure!void {
        questions.cache.tick(questions.server.io.monotonic_ms());
        for (questions.askers[0..questions.askers_len]) |*asker| try asker.step();
        var i: usize = 0;
        while (i < questions.answerers.items.len) {
            const answerer = questions.answerers.items[i];
            answerer.step(questions);
            if (answerer.done) questions.allocator.destroy(questions.answerers.swapRemove(i)) else i += 1;
        }
        if (questions.failure) |failure| return failure;
    }

    /// All who asked were told.
    pub fn finish(questions: *const Questions) Failure!void {
        if (questions.exchanges.used() != 0 or questions.cache.used() != 0) return error.OutcomeMissing;
    }

    pub fn nextNs(questions: *const Questions) u64 {
        var next: u64 = questions.cache.nextDeadline() *| ms;
        for (questions.askers[0..questions.askers_len]) |*asker| {
            if (!questions.is_ending or asker.exchange != null) next = @min(next, asker.next_ns);
        }
        for (questions.answerers.items) |answerer| next = @min(next, answerer.nextNs());
        return next;
    }
};
