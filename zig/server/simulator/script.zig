//! What a simulated client says, made from the seed, and what it has to be told for it.

const std = @import("std");
const Random = std.Random;

/// Bodies that are as long as somebody asks for: byte `i` is known without storing it.
pub const filler: [filler_bytes]u8 = blk: {
    @setEvalBranchQuota(10 * filler_bytes);
    var bytes: [filler_bytes]u8 = undefined;
    for (&bytes, 0..) |*byte, i| byte.* = 'a' + @as(u8, @intCast((i * 31 + i / 26) % 26));
    break :blk bytes;
};
pub const filler_bytes = 96 * 1024;

/// Which handler is asked.
pub const Kind = enum {
    /// Says what it was sent, followed by filler, copied.
    echo,
    /// Filler from where it lies.
    owned,
    /// Filler in pieces of any length.
    pieces,
    /// Breaks off in the middle.
    broken,
    /// An answer that comes later, or too late, or never.
    later,
    /// Its handler waits on a fiber, and may do so for too long.
    fiber,
    /// A worker's answer.
    task,
    /// Its handler fails.
    fail,
    /// There is no such route.
    missing,
};

/// What one request has to be answered with.
pub const Expectation = struct {
    kind: Kind,
    status: u16,
    is_head: bool = false,
    /// The answer is the connection's last.
    closes: bool = false,
    is_http10: bool = false,
    expects_continue: bool = false,
    /// Filler behind the text.
    filler_len: u32 = 0,
    text: [96]u8 = undefined,
    text_len: u8 = 0,
    /// Where its bytes begin, its body begins, and it ends.
    start: u32,
    body_start: u32 = 0,
    end: u32 = 0,

    /// It may be refused because too many wait already, or come too late.
    pub fn isDeferred(expectation: *const Expectation) bool {
        return switch (expectation.kind) {
            .later, .fiber, .task => true,
            else => false,
        };
    }

    pub fn isBody(expectation: *const Expectation, body: []const u8) bool {
        const text = expectation.text[0..expectation.text_len];
        if (body.len != text.len + expectation.filler_len) return false;
        return std.mem.startsWith(u8, body, text) and
            std.mem.eql(u8, body[text.len..], filler[0..expectation.filler_len]);
    }
};

pub const requests_max = 12;

pub const Limits = struct { head_bytes_max: u16, body_bytes_max: u32, uri_bytes_max: u16 };

pub const Script = struct {
    bytes: std.ArrayList(u8) = .empty,
    expectations: [requests_max]Expectation = undefined,
    len: usize = 0,
    /// Ends in the middle of a request, which is not among the expectations.
    is_cut: bool = false,

    pub fn clear(script: *Script) void {
        script.bytes.clearRetainingCapacity();
        script.len = 0;
        script.is_cut = false;
    }

    pub fn fill(script: *Script, allocator: std.mem.Allocator, random: Random, limits: Limits, id: u64) !void {
        script.clear();
        const count = 1 + random.uintLessThan(usize, requests_max);
        for (0..count) |i| {
            if (random.uintLessThan(u16, 100) < 6) {
                try script.addMalformed(allocator, random, limits);
                break;
            }
            try script.addRequest(allocator, random, limits, id * 100 + i);
            if (script.expectations[script.len - 1].closes) break;
        }
        if (!script.expectations[script.len - 1].closes and random.uintLessThan(u16, 100) < 8) try script.cut(allocator, random);
        // What stands behind the last answer is nobody's.
        if (script.expectations[script.len - 1].closes and random.boolean()) try script.bytes.appendSlice(allocator, "GET /echo/9 HTTP/1.1\r\n");
    }

    fn addRequest(script: *Script, allocator: std.mem.Allocator, random: Random, limits: Limits, id: u64) !void {
        const out = &script.bytes;
        var expectation: Expectation = .{ .kind = kindOf(random), .status = 200, .start = @intCast(out.items.len) };
        const body_len = if (random.boolean()) 0 else lengthOf(random, limits.body_bytes_max);
        const method: []const u8 = if (random.uintLessThan(u16, 100) < 10)
            "HEAD"
        else if (body_len > 0) "POST" else if (random.boolean()) "GET" else "DELETE";
        expectation.is_head = std.mem.eql(u8, method, "HEAD");
        expectation.is_http10 = random.uintLessThan(u16, 100) < 8;
        if (random.uintLessThan(u16, 100) < 5) try out.appendSlice(allocator, "\r\n");
        const wanted: u32 = @intCast(lengthOf(random, filler_bytes - 100));
        try out.print(allocator, "{s} /{t}/{d}?n={d} HTTP/1.{d}\r\n", .{
            method,                                       expectation.kind, id, wanted,
            @as(u8, if (expectation.is_http10) 0 else 1),
        });
        if (!expectation.is_http10 or random.boolean()) try out.appendSlice(allocator, "Host: example.com\r\n");
        for (0..random.uintLessThan(usize, 6)) |i| try out.print(allocator, "X-Field-{d}: {s}\r\n", .{ i, filler[0 .. i * 7] });
        const says_close = random.uintLessThan(u16, 100) < 10;
        const says_keep = random.uintLessThan(u16, 100) < 50;
        if (says_close) {
            try out.appendSlice(allocator, "Connection: close\r\n");
        } else if (says_keep) try out.appendSlice(allocator, "Connection: Keep-Alive\r\n");
        expectation.closes = says_close or (expectation.is_http10 and !says_keep);
        if (expectation.is_http10 and (expectation.kind == .pieces or expectation.kind == .broken)) expectation.closes = true;

        const body = filler[0..body_len];
        if (body_len > 0 or random.uintLessThan(u16, 100) < 10) {
            const is_chunked = !expectation.is_http10 and random.boolean();
            if (body_len > 0 and !expectation.is_http10 and random.uintLessThan(u16, 100) < 25) {
                expectation.expects_continue = true;
                try out.appendSlice(allocator, "Expect: 100-continue\r\n");
            }
            if (is_chunked) {
                try out.appendSlice(allocator, "Transfer-Encoding: chunked\r\n\r\n");
                expectation.body_start = @intCast(out.items.len);
                try addChunks(out, allocator, random, body);
            } else {
                try out.print(allocator, "Content-Length: {d}\r\n\r\n", .{body_len});
                expectation.body_start = @intCast(out.items.len);
                try out.appendSlice(allocator, body);
            }
        } else {
            try out.appendSlice(allocator, "\r\n");
            expectation.body_start = @intCast(out.items.len);
        }
        expectation.end = @intCast(out.items.len);

        var text: []const u8 = "";
        switch (expectation.kind) {
            .echo, .later, .fiber, .task => {
                text = try std.fmt.bufPrint(&expectation.text, "{s} {d} {d} {x}\n", .{ method, id, body_len, std.hash.Wyhash.hash(0, body) });
                expectation.filler_len = wanted;
                if (expectation.isDeferred()) expectation.filler_len = wanted % 2000;
            },
            .owned, .pieces, .broken => expectation.filler_len = wanted,
            .fail => {
                expectation.status = 500;
                text = try std.fmt.bufPrint(&expectation.text, "internal server error\n", .{});
            },
            .missing => {
                expectation.status = 404;
                text = try std.fmt.bufPrint(&expectation.text, "not found\n", .{});
            },
        }
        expectation.text_len = @intCast(text.len);
        script.expectations[script.len] = expectation;
        script.len += 1;
    }

    fn addChunks(out: *std.ArrayList(u8), allocator: std.mem.Allocator, random: Random, body: []const u8) !void {
        var rest = body;
        while (rest.len > 0) {
            const len = @min(rest.len, 1 + lengthOf(random, 4000));
            try out.print(allocator, "{x}{s}\r\n{s}\r\n", .{ len, if (random.uintLessThan(u8, 10) == 0) ";name=\"a b\"" else "", rest[0..len] });
            rest = rest[len..];
        }
        try out.print(allocator, "0\r\n{s}\r\n", .{if (random.uintLessThan(u8, 10) == 0) "X-Trailer: 1\r\n" else ""});
    }

    /// The last one of a connection: refused, whatever stands behind it.
    fn addMalformed(script: *Script, allocator: std.mem.Allocator, random: Random, limits: Limits) !void {
        const out = &script.bytes;
        var expectation: Expectation = .{ .kind = .missing, .status = 400, .closes = true, .start = @intCast(out.items.len) };
        const samples = [_][]const u8{
            "G(T / HTTP/1.1\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET /\x01 HTTP/1.1\r\n",
            "GET / HTTP/1.1\n",
            "GET / HTTP/1.1\r\nA : b\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n B: c\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            "POST /echo/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11112222333344445\r\n",
        };
        switch (random.uintLessThan(usize, samples.len + 4)) {
            samples.len => {
                expectation.status = 413;
                try out.print(allocator, "POST /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {d}\r\n\r\n", .{limits.body_bytes_max + 1});
            },
            samples.len + 1 => {
                expectation.status = 414;
                try out.appendSlice(allocator, "GET /");
                try out.appendSlice(allocator, filler[0 .. limits.uri_bytes_max + 1]);
            },
            samples.len + 2 => {
                expectation.status = 431;
                try out.appendSlice(allocator, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
                try out.appendSlice(allocator, filler[0..limits.head_bytes_max]);
            },
            samples.len + 3 => {
                expectation.status = 505;
                try out.appendSlice(allocator, "GET / HTTP/2.0\r\n");
            },
            else => |i| try out.appendSlice(allocator, samples[i]),
        }
        // Some refuse at the next byte, all within this.
        try out.appendSlice(allocator, "\r\n\r\nGET /echo/7 HTTP/1.1\r\nHost: a\r\n\r\n");
        expectation.end = @intCast(out.items.len);
        expectation.body_start = expectation.end;
        script.expectations[script.len] = expectation;
        script.len += 1;
    }

    /// The beginning of a request that never ends.
    fn cut(script: *Script, allocator: std.mem.Allocator, random: Random) !void {
        const whole = "POST /echo/5 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123456789";
        try script.bytes.appendSlice(allocator, whole[0 .. 1 + random.uintLessThan(usize, whole.len)]);
        script.is_cut = true;
    }
};

fn kindOf(random: Random) Kind {
    return switch (random.uintLessThan(u8, 100)) {
        0...44 => .echo,
        45...52 => .owned,
        53...60 => .pieces,
        61...62 => .broken,
        63...74 => .later,
        75...85 => .fiber,
        86...91 => .task,
        92...95 => .fail,
        else => .missing,
    };
}

/// Mostly small, sometimes as long as it may be.
fn lengthOf(random: Random, max: usize) usize {
    const limit: usize = switch (random.uintLessThan(u8, 100)) {
        0...59 => 64,
        60...84 => 1024,
        85...96 => 8 * 1024,
        else => max,
    };
    return random.uintAtMost(usize, @min(limit, max));
}
