//! What the simulated server connects to, and the connections of its application that do: far ends that send back what they
//! get, at their own pace, as long as they like; and a name server of the same sort.
//!
//! What is said on a connection is its number and then a pattern, so that every byte that comes back is known, and how many
//! there have to be.

const std = @import("std");
const sws = @import("../root.zig");
const dns_server = @import("../testing/dns_server.zig");
const outgoing_of = @import("../io/simulated/outgoing.zig");
const Client = @import("../outgoing/client.zig").RingSharedClientType(sws.io.Simulated);
const Connection = @import("../io/simulated.zig").Connection;
const Server = @import("../server.zig").ServerType(sws.io.Simulated);
const Questions = @import("elsewhere_http.zig").Questions;
const Simulated = sws.io.Simulated;
const ms = std.time.ns_per_ms;

const diesNs = @import("elsewhere_http.zig").diesNs;
const callers_max = 6;
const port = 7000;

/// So long a graceful end takes at most; afterwards what was written may be lost.
const finish_ns = 5_000 * ms;

pub const Failure = @import("elsewhere_http.zig").Failure || error{ WrongByte, TooManyBytes, BytesLost, ToldTwice, OutOfMemory };

fn pattern(number: u32, position: u64) u8 {
    return @truncate(position *% 31 +% (position >> 8) *% 7 +% number);
}

/// A connection of the application's.
const Caller = struct {
    elsewhere: *Elsewhere,
    client: *Client = undefined,
    number: u32 = 0,
    written: u64 = 0,
    returned: u64 = 0,
    is_told: bool = true,
    next_ns: u64 = 0,

    fn onData(ctx: ?*anyopaque, data: []u8) void {
        const caller: *Caller = @ptrCast(@alignCast(ctx.?));
        const elsewhere = caller.elsewhere;
        for (data) |byte| {
            const expected = if (caller.returned < 4)
                std.mem.toBytes(caller.number)[@intCast(caller.returned)]
            else
                pattern(caller.number, caller.returned);
            if (byte != expected) elsewhere.fail(error.WrongByte);
            caller.returned += 1;
        }
        if (caller.returned > caller.written) elsewhere.fail(error.TooManyBytes);
        elsewhere.bytes += data.len;
        if (elsewhere.chance(50)) caller.client.pauseReading();
        // An end from within.
        if (elsewhere.chance(5)) caller.close();
    }

    fn onClose(ctx: ?*anyopaque) void {
        const caller: *Caller = @ptrCast(@alignCast(ctx.?));
        if (caller.is_told) caller.elsewhere.fail(error.ToldTwice);
        caller.is_told = true;
        if (caller.client.failure) |failure| {
            caller.elsewhere.failures += 1;
            if (failure == error.NoSuchName) caller.elsewhere.unknown_names += 1;
        }
    }

    fn close(caller: *Caller) void {
        const elsewhere = caller.elsewhere;
        const is_open = caller.client.state == .open;
        elsewhere.connections[caller.number % connections_kept] = .{
            .number = caller.number,
            .written = if (is_open) caller.written else null,
            .until_ns = elsewhere.server.io.now_ns + finish_ns,
        };
        caller.client.close();
    }

    fn step(caller: *Caller) Failure!void {
        const elsewhere = caller.elsewhere;
        const random = elsewhere.prng.random();
        const now_ns = elsewhere.server.io.now_ns;
        if (now_ns < caller.next_ns) return;
        caller.next_ns = now_ns + random.uintLessThan(u64, 60 * ms);
        if (caller.client.state == .closed) return if (elsewhere.is_ending) {} else caller.connect();
        switch (random.uintLessThan(u8, 100)) {
            0...2 => caller.close(),
            3...30 => caller.client.resumeReading(),
            else => {
                var chunk: [800]u8 = undefined;
                const len = @min(1 + random.uintLessThan(usize, chunk.len), caller.client.writable());
                for (chunk[0..len], 0..) |*byte, i| byte.* = pattern(caller.number, caller.written + i);
                caller.client.write(chunk[0..len]) catch unreachable;
                caller.written += len;
            },
        }
    }

    fn connect(caller: *Caller) Failure!void {
        const elsewhere = caller.elsewhere;
        elsewhere.number += 1;
        caller.number = elsewhere.number;
        elsewhere.connections[caller.number % connections_kept] = .{};
        caller.written = 0;
        caller.returned = 0;
        const hosts = [_][]const u8{ "one.test", "both.test", "chain.test", "nothere.test", "never.test", "192.0.2.1" };
        caller.is_told = false;
        caller.client.connect_timeout_ms = 800;
        caller.client.connect(hosts[elsewhere.prng.random().uintLessThan(usize, hosts.len)], port) catch {
            caller.is_told = true;
            return;
        };
        caller.client.write(&std.mem.toBytes(caller.number)) catch unreachable;
        caller.written = 4;
    }
};

/// What a far end must have got, when it sees an orderly end.
const Ended = struct { number: u32 = 0, written: ?u64 = null, until_ns: u64 = 0 };
const connections_kept = 64;

const FarEnd = struct {
    connection: *Connection,
    kind: sws.io.Kind,
    port: u16,
    next_ns: u64 = 0,
    /// When it goes away, even if nothing happens.
    dies_ns: u64,
    received: u64 = 0,
    number_bytes: [4]u8 = undefined,
    /// What came, and wasn't sent back yet.
    held: [2048]u8 = undefined,
    held_start: usize = 0,
    held_len: usize = 0,
    done: bool = false,

    fn step(end: *FarEnd, elsewhere: *Elsewhere) Failure!void {
        const io = &elsewhere.server.io;
        const random = elsewhere.prng.random();
        if (io.now_ns < end.nextNs()) return;
        end.next_ns = io.now_ns + random.uintLessThan(u64, 10 * ms);
        if (end.kind == .datagram) return end.stepNames(elsewhere);
        if (io.now_ns >= end.dies_ns or random.uintLessThan(u16, 1000) < 5) {
            end.done = true;
            if (random.boolean()) return io.clientReset(end.connection);
            end.connection.client_finished = true;
            end.connection.client_released = true;
            return;
        }
        if (end.port == 53) return end.stepNames(elsewhere);
        if (end.held_len > 0) {
            const taken = end.connection.clientWrite(end.held[end.held_start..][0..end.held_len]);
            end.held_start += taken;
            end.held_len -= taken;
            return;
        }
        switch (end.connection.clientRead(end.held[0 .. 1 + random.uintLessThan(usize, end.held.len)])) {
            .nothing => {},
            .bytes => |count| {
                for (end.held[0..count]) |byte| {
                    if (end.received < 4) end.number_bytes[@intCast(end.received)] = byte;
                    end.received += 1;
                }
                end.held_start = 0;
                end.held_len = count;
            },
            .reset => end.release(),
            .end => {
                end.release();
                if (end.received >= 4) try elsewhere.checkEnd(std.mem.bytesToValue(u32, &end.number_bytes), end.received);
            },
        }
    }

    /// When it acts next, as things stand.
    fn nextNs(end: *const FarEnd) u64 {
        const connection = end.connection;
        if (end.kind == .datagram) {
            const is_asked = connection.to_client.len > 0 or connection.server_released;
            return if (is_asked) end.next_ns else std.math.maxInt(u64);
        }
        const can_act = if (end.held_len > 0 and end.port != 53) connection.isWritable() else connection.isReadable();
        return if (can_act) @min(end.next_ns, end.dies_ns) else end.dies_ns;
    }

    /// A name server; over TCP it gives one answer.
    fn stepNames(end: *FarEnd, elsewhere: *Elsewhere) Failure!void {
        var buffer: [600]u8 = undefined;
        var query: []u8 = undefined;
        if (end.kind == .datagram) {
            if (outgoing_of.readDatagram(&end.connection.to_client, &buffer)) |bytes| {
                query = bytes;
            } else {
                return end.release();
            }
        } else switch (end.connection.clientRead(end.held[end.held_len..])) {
            .bytes => |count| {
                end.held_len += count;
                if (end.held_len < 2 or end.held_len < 2 + @as(usize, std.mem.readInt(u16, end.held[0..2], .big))) return;
                query = end.held[2..end.held_len];
            },
            .nothing => return,
            .end, .reset => return end.release(),
        }
        const question = dns_server.Question.read(query) catch unreachable;
        var reply: dns_server.Reply = .{};
        const random = elsewhere.prng.random();
        elsewhere.questions += 1;
        switch (random.uintLessThan(u8, 20)) {
            0 => _ = reply.begin(question, 0x8182),
            1 => _ = reply.begin(question, 0x8380),
            2 => _ = dns_server.compose(&reply, question).corrupt(1),
            3 => {
                _ = dns_server.compose(&reply, question);
                reply.len -= random.uintLessThan(usize, reply.len);
            },
            else => _ = dns_server.compose(&reply, question),
        }
        const bytes = reply.bytes[0..reply.len];
        if (end.kind == .datagram) {
            _ = outgoing_of.writeDatagram(&end.connection.to_server, bytes);
            return;
        }
        end.held_len = 0;
        var head: [2]u8 = undefined;
        std.mem.writeInt(u16, &head, @intCast(bytes.len), .big);
        _ = end.connection.clientWrite(&head);
        if (!end.connection.server_released) _ = end.connection.clientWrite(bytes);
    }

    fn release(end: *FarEnd) void {
        end.done = true;
        end.connection.client_finished = true;
        end.connection.client_released = true;
    }
};

pub const Elsewhere = struct {
    allocator: std.mem.Allocator,
    server: *Server,
    prng: std.Random.DefaultPrng,
    callers: [callers_max]Caller = undefined,
    callers_len: usize,
    far_ends: std.ArrayList(FarEnd) = .empty,
    connections: [connections_kept]Ended = @splat(.{}),
    http: Questions = undefined,
    number: u32 = 0,
    is_ending: bool = false,
    failure: ?Failure = null,
    bytes: u64 = 0,
    failures: u64 = 0,
    questions: u64 = 0,
    unknown_names: u64 = 0,
    graceful_ends: u64 = 0,

    /// In place, as the clients keep where it is.
    pub fn init(elsewhere: *Elsewhere, allocator: std.mem.Allocator, server: *Server, seed: u64) Failure!void {
        elsewhere.* = .{ .allocator = allocator, .server = server, .prng = .init(seed), .callers_len = 0 };
        try elsewhere.http.init(allocator, server, elsewhere.prng.random().int(u64));
        const count = elsewhere.prng.random().uintAtMost(usize, callers_max);
        while (elsewhere.callers_len < count) : (elsewhere.callers_len += 1) {
            const caller = &elsewhere.callers[elsewhere.callers_len];
            caller.* = .{ .elsewhere = elsewhere };
            caller.client = try .init(allocator, server.rs, Caller.onData, Caller.onClose, caller);
        }
    }

    pub fn deinit(elsewhere: *Elsewhere) void {
        for (elsewhere.callers[0..elsewhere.callers_len]) |*caller| caller.client.deinit();
        elsewhere.far_ends.deinit(elsewhere.allocator);
        elsewhere.http.deinit();
    }

    pub const dns: sws.DnsConfig = .{
        .resolv_conf = .{ .text = "nameserver 192.0.2.53\nnameserver 192.0.2.54\n" },
        .hosts = .{ .text = "" },
        .timeout_ms = 100,
        .lookups_max = 4,
        .waits_max = 5,
    };

    /// Nobody connects any more.
    pub fn end(elsewhere: *Elsewhere) void {
        elsewhere.is_ending = true;
        elsewhere.http.is_ending = true;
    }

    pub fn step(elsewhere: *Elsewhere) Failure!void {
        const io = &elsewhere.server.io;
        while (io.takeArrival()) |arrival| {
            if (arrival.port == 80) {
                try elsewhere.http.take(arrival.connection);
                continue;
            }
            try elsewhere.far_ends.append(elsewhere.allocator, .{ .connection = arrival.connection, .kind = arrival.kind, .port = arrival.port, .dies_ns = diesNs(elsewhere.prng.random(), io.now_ns) });
        }
        for (elsewhere.callers[0..elsewhere.callers_len]) |*caller| try caller.step();
        try elsewhere.http.step();
        var i: usize = 0;
        while (i < elsewhere.far_ends.items.len) {
            const far_end = &elsewhere.far_ends.items[i];
            try far_end.step(elsewhere);
            if (far_end.done) _ = elsewhere.far_ends.swapRemove(i) else i += 1;
        }
        if (elsewhere.failure) |failure| return failure;
    }

    /// When somebody does something next.
    pub fn nextNs(elsewhere: *const Elsewhere) u64 {
        var next = elsewhere.http.nextNs();
        for (elsewhere.callers[0..elsewhere.callers_len]) |*caller| {
            if (elsewhere.is_ending and caller.client.state == .closed) continue;
            next = @min(next, caller.next_ns);
        }
        for (elsewhere.far_ends.items) |*far_end| next = @min(next, far_end.nextNs());
        return next;
    }

    fn checkEnd(elsewhere: *Elsewhere, number: u32, received: u64) Failure!void {
        const ended = elsewhere.connections[number % connections_kept];
        if (ended.number != number or elsewhere.server.io.now_ns >= ended.until_ns) return;
        const written = ended.written orelse return;
        elsewhere.graceful_ends += 1;
        if (received != written) return error.BytesLost;
    }

    fn fail(elsewhere: *Elsewhere, failure: Failure) void {
        if (elsewhere.failure == null) elsewhere.failure = failure;
    }

    fn chance(elsewhere: *Elsewhere, per_mille: u16) bool {
        return elsewhere.prng.random().uintLessThan(u16, 1000) < per_mille;
    }
};
