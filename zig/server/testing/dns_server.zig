//! A name server for tests, over UDP and TCP on one port. What it answers, and how badly, is in the name that is asked for.

const std = @import("std");
const linux = std.os.linux;
const upstream_of = @import("upstream.zig");

pub const DnsServer = struct {
    udp: linux.fd_t,
    tcp: linux.fd_t,
    /// Another socket of the same machine: its answers come from a wrong port.
    stranger: linux.fd_t,
    port: u16,
    thread: std.Thread = undefined,
    stopping: std.atomic.Value(bool) = .init(false),
    questions: std.atomic.Value(u32) = .init(0),
    tcp_questions: std.atomic.Value(u32) = .init(0),
    failure: ?anyerror = null,
    /// Ids and ports as they came.
    ids: [64]u16 = @splat(0),
    ports: [64]u16 = @splat(0),

    pub fn create() !*DnsServer {
        const tcp = try upstream_of.socket(linux.SOCK.STREAM);
        const port = try upstream_of.bindLocal(tcp, 0);
        if (linux.errno(linux.listen(tcp, 16)) != .SUCCESS) return error.Unexpected;
        const udp = try upstream_of.socket(linux.SOCK.DGRAM);
        _ = try upstream_of.bindLocal(udp, port);
        const stranger = try upstream_of.socket(linux.SOCK.DGRAM);
        const server = try std.testing.allocator.create(DnsServer);
        server.* = .{ .udp = udp, .tcp = tcp, .stranger = stranger, .port = port };
        server.thread = try .spawn(.{}, run, .{server});
        return server;
    }

    pub fn finish(server: *DnsServer) !void {
        server.stopping.store(true, .release);
        server.thread.join();
        for ([_]linux.fd_t{ server.udp, server.tcp, server.stranger }) |fd| _ = linux.close(fd);
        defer std.testing.allocator.destroy(server);
        if (server.failure) |err| return err;
    }

    fn run(server: *DnsServer) void {
        while (!server.stopping.load(.acquire)) {
            var polled = [_]linux.pollfd{
                .{ .fd = server.udp, .events = linux.POLL.IN, .revents = 0 },
                .{ .fd = server.tcp, .events = linux.POLL.IN, .revents = 0 },
            };
            _ = linux.poll(&polled, polled.len, 10);
            if (polled[0].revents != 0) server.onUdp() catch |err| {
                server.failure = err;
            };
            if (polled[1].revents != 0) server.onTcp() catch |err| {
                server.failure = err;
            };
        }
    }

    fn onUdp(server: *DnsServer) !void {
        var buffer: [512]u8 = undefined;
        var from: linux.sockaddr.in = undefined;
        var len: linux.socklen_t = @sizeOf(linux.sockaddr.in);
        const rc = linux.recvfrom(server.udp, &buffer, buffer.len, 0, @ptrCast(&from), &len);
        if (linux.errno(rc) != .SUCCESS) return;
        const number = server.questions.fetchAdd(1, .acq_rel);
        var reply: Reply = .{};
        const question = try Question.read(buffer[0..rc]);
        server.ids[number % 64] = question.id;
        server.ports[number % 64] = std.mem.bigToNative(u16, from.port);
        const name = question.first;
        if (is(name, "silent") or (is(name, "deaf") and number == 0)) return;
        if (is(name, "noaaaa") and question.type == 28) return;
        if (is(name, "late")) upstream_of.sleepMs(150);
        if (is(name, "forged")) {
            // Somebody who guesses ids, and somebody who knows it but isn't the server.
            for (1..4) |wrong| server.answer(server.udp, from, reply.begin(question, 0x8180).corrupt(@intCast(wrong)).address(question, 66));
            server.answer(server.stranger, from, reply.begin(question, 0x8180).address(question, 67));
            var other = question;
            other.bytes[13] = 'x';
            server.answer(server.udp, from, reply.begin(other, 0x8180).address(other, 68));
        }
        if (is(name, "guessed")) {
            for (0..20) |wrong| server.answer(server.udp, from, reply.begin(question, 0x8180).corrupt(@intCast(1 + wrong)).address(question, 66));
            return;
        }
        if (is(name, "tc") or is(name, "long")) return server.answer(server.udp, from, reply.begin(question, 0x8380));
        server.answer(server.udp, from, compose(&reply, question));
    }

    fn onTcp(server: *DnsServer) !void {
        const rc = linux.accept4(server.tcp, null, null, linux.SOCK.CLOEXEC);
        if (linux.errno(rc) != .SUCCESS) return;
        const peer: upstream_of.Peer = .{ .fd = @intCast(rc) };
        defer _ = linux.close(peer.fd);
        var buffer: [512]u8 = undefined;
        try peer.receiveExactly(buffer[0..2]);
        const len = std.mem.readInt(u16, buffer[0..2], .big);
        try peer.receiveExactly(buffer[0..len]);
        _ = server.tcp_questions.fetchAdd(1, .acq_rel);
        const question = try Question.read(buffer[0..len]);
        var reply: Reply = .{};
        const composed = compose(&reply, question);
        var head: [2]u8 = undefined;
        std.mem.writeInt(u16, &head, @intCast(composed.len), .big);
        // In two pieces, and the length by itself in two.
        try peer.send(head[0..1]);
        upstream_of.sleepMs(5);
        try peer.send(head[1..]);
        try peer.send(composed.bytes[0..7]);
        upstream_of.sleepMs(5);
        try peer.send(composed.bytes[7..composed.len]);
    }

    fn answer(_: *DnsServer, from: linux.fd_t, to: linux.sockaddr.in, reply: *Reply) void {
        _ = linux.sendto(from, &reply.bytes, reply.len, 0, @ptrCast(&to), @sizeOf(linux.sockaddr.in));
    }
};

/// What an honest server says about the name.
pub fn compose(reply: *Reply, question: Question) *Reply {
    const name = question.first;
    if (is(name, "nothere")) return reply.begin(question, 0x8183);
    if (is(name, "never")) return reply.begin(question, 0x8183).nothing(2);
    if (is(name, "void")) return reply.begin(question, 0x8180).nothing(2);
    if (is(name, "broken")) return reply.begin(question, 0x8182);
    if (is(name, "garbled")) {
        _ = reply.begin(question, 0x8180).address(question, 1);
        reply.len -= 3;
        return reply;
    }
    _ = reply.begin(question, 0x8180);
    if (is(name, "empty")) return reply;
    // Names with only one address have none of IPv6.
    if (question.type == 28 and !is(name, "both")) return reply;
    if (is(name, "chain")) return reply.alias("one").alias("two").address(question, 9);
    if (is(name, "ring")) {
        for (0..12) |_| _ = reply.alias("one");
        return reply;
    }
    if (is(name, "long")) {
        for (0..300) |i| _ = reply.address(question, @truncate(i));
        return reply;
    }
    return reply.address(question, 1);
}

fn is(name: []const u8, wanted: []const u8) bool {
    return std.mem.eql(u8, name, wanted);
}

pub const Question = struct {
    id: u16,
    type: u16,
    /// Of the name.
    first: []const u8,
    bytes: [300]u8,
    /// Behind its class.
    end: usize,

    pub fn read(message: []const u8) !Question {
        var question: Question = .{
            .id = std.mem.readInt(u16, message[0..2], .big),
            .type = 0,
            .first = message[13..][0..message[12]],
            .bytes = undefined,
            .end = 12,
        };
        while (message[question.end] != 0) question.end += 1 + @as(usize, message[question.end]);
        question.type = std.mem.readInt(u16, message[question.end + 1 ..][0..2], .big);
        question.end += 5;
        if (question.end > message.len) return error.Malformed;
        @memcpy(question.bytes[0..question.end], message[0..question.end]);
        return question;
    }
};

pub const Reply = struct {
    bytes: [8192]u8 = undefined,
    len: usize = 0,
    /// Where the name that the next record is about is written.
    owner: u16 = 12,

    pub fn begin(reply: *Reply, question: Question, flags: u16) *Reply {
        reply.len = question.end;
        reply.owner = 12;
        @memcpy(reply.bytes[0..reply.len], question.bytes[0..reply.len]);
        std.mem.writeInt(u16, reply.bytes[2..4], flags, .big);
        reply.bytes[4..12].* = .{ 0, 1, 0, 0, 0, 0, 0, 0 };
        return reply;
    }

    pub fn corrupt(reply: *Reply, by: u8) *Reply {
        reply.bytes[1] +%= by;
        return reply;
    }

    fn address(reply: *Reply, question: Question, last: u8) *Reply {
        if (question.type == 28) {
            return reply.record(28, &(.{ 0x20, 1, 0xd, 0xb8 } ++ .{0} ** 11 ++ .{last}));
        }
        return reply.record(1, &.{ 192, 0, 2, last });
    }

    /// The name is another's, which the next record is about.
    fn alias(reply: *Reply, label: []const u8) *Reply {
        var data: [64]u8 = undefined;
        data[0] = @intCast(label.len);
        @memcpy(data[1..][0..label.len], label);
        data[1 + label.len] = 0;
        const at = reply.len + 12;
        _ = reply.record(5, data[0 .. label.len + 2]);
        reply.owner = @intCast(at);
        return reply;
    }

    /// How long it isn't there, as the zone says by the smaller of two numbers.
    fn nothing(reply: *Reply, seconds: u32) *Reply {
        var data: [22]u8 = @splat(0);
        std.mem.writeInt(u32, data[18..22], seconds, .big);
        _ = reply.record(6, &data);
        std.mem.writeInt(u32, reply.bytes[reply.len - 28 ..][0..4], 3600, .big);
        // In the section behind the answers.
        reply.bytes[6..10].* = .{ 0, 0, 0, 1 };
        return reply;
    }

    fn record(reply: *Reply, kind: u16, data: []const u8) *Reply {
        const head = reply.bytes[reply.len..][0..12];
        std.mem.writeInt(u16, head[0..2], 0xc000 | reply.owner, .big);
        std.mem.writeInt(u16, head[2..4], kind, .big);
        head[4..6].* = .{ 0, 1 };
        std.mem.writeInt(u32, head[6..10], 1, .big);
        std.mem.writeInt(u16, head[10..12], @intCast(data.len), .big);
        @memcpy(reply.bytes[reply.len + 12 ..][0..data.len], data);
        reply.len += 12 + data.len;
        const count = std.mem.readInt(u16, reply.bytes[6..8], .big);
        std.mem.writeInt(u16, reply.bytes[6..8], count + 1, .big);
        return reply;
    }
};
