//! A simulated WebSocket client: says its frames at its own pace, reads at its own pace, and looks at every frame by code of
//! its own. Echoes have to come in order, and what is broadcast without a hole.

const std = @import("std");
const Random = std.Random;
const sws = @import("../root.zig");
const ResponseReader = @import("../testing/response_reader.zig").ResponseReader;
const Simulated = sws.io.Simulated;
const Connection = @import("../io/simulated.zig").Connection;
const filler = @import("script.zig").filler;
const frames_of = @import("frames.zig");
const Frames = frames_of.Frames;
const Ending = @import("client.zig").Ending;
const Inbox = @import("inbox.zig").Inbox;
const pause = @import("inbox.zig").pause;

const Style = enum { hasty, usual, slow, lazy_reader, resetting };

/// More than one frame of a server's, and much of what else is on its way.
pub const receive_bytes_max = 96 * 1024;

/// The route's topic, and the groups.
pub const topics = 1 + frames_of.groups;

pub const SocketClient = struct {
    style: Style = .usual,
    connection: ?*Connection = null,
    frames: Frames = .{},
    sent: usize = 0,
    /// Expectations that are met.
    met: usize = 0,
    is_open: bool = false,
    inbox: Inbox,
    send_ns: u64 = 0,
    reset_at: usize = 0,
    connect_ns: u64 = 0,
    active_ns: u64 = 0,
    sent_ns: u64 = 0,
    /// The longest time it sent nothing.
    rested_ns_max: u64 = 0,
    /// When the server last had all that was sent, and the longest time it hadn't: for want of buffers it sees a client rest that
    /// doesn't.
    taken_ns: u64 = 0,
    waited_ns_max: u64 = 0,
    /// By topic: whether it was joined, and what comes next of it, once something came.
    joined: [topics]bool = undefined,
    next: [topics]?u64 = undefined,
    ending: Ending = .answered,
    echoes: u64 = 0,
    heard: u64 = 0,
    pings: u64 = 0,

    pub const Failure = error{
        WrongHandshake,
        InvalidFrame,
        WrongFrame,
        WrongClose,
        FrameBehindTheLast,
        BroadcastMissed,
        BroadcastToStranger,
        UnexpectedPing,
        NoProgress,
        OutOfMemory,
    };

    pub fn begin(client: *SocketClient, random: Random, connection: *Connection, now_ns: u64) void {
        client.style = random.enumValue(Style);
        client.connection = connection;
        client.sent = 0;
        client.met = 0;
        client.is_open = false;
        client.inbox.begin(now_ns);
        for ([_]*u64{ &client.connect_ns, &client.sent_ns, &client.send_ns, &client.active_ns }) |time| time.* = now_ns;
        client.rested_ns_max = 0;
        client.taken_ns = now_ns;
        client.waited_ns_max = 0;
        client.joined = @splat(false);
        client.next = @splat(null);
        client.ending = .answered;
        client.reset_at = random.uintAtMost(usize, client.frames.bytes.items.len);
    }

    /// For whoever looks for the reason of a failure.
    pub fn describe(client: *const SocketClient, writer: *std.Io.Writer) !void {
        try writer.print("a {t} WebSocket client that ends with a {t} has sent {d} of {d} bytes, {d} of {d} are met\n", .{
            client.style, client.frames.ends_with, client.sent, client.frames.bytes.items.len, client.met, client.frames.len,
        });
        if (client.current()) |expected| try writer.print("expected: {t} of {d} bytes, code {d}\n", .{ expected.kind, expected.len, expected.code });
        const ms = std.time.ns_per_ms;
        try writer.print("connected at {d} ms, sent at {d}, was active at {d}, read at {d}, not for {d}, had all at {d}, open {}, joined {any}, next {any}\n", .{
            client.connect_ns / ms, client.sent_ns / ms, client.active_ns / ms, client.inbox.last_read_ns / ms, client.inbox.unread_ns_max / ms, client.inbox.caught_up_ns / ms, client.is_open, client.joined, client.next,
        });
        try writer.print("received {d}: {x}\n", .{ client.inbox.len, client.inbox.memory[0..@min(client.inbox.len, 100)] });
    }

    pub fn nextNs(client: *const SocketClient) u64 {
        const connection = client.connection orelse return std.math.maxInt(u64);
        var next: u64 = std.math.maxInt(u64);
        if (client.sent < client.frames.bytes.items.len and connection.isWritable()) next = client.send_ns;
        if (connection.isReadable()) next = @min(next, client.inbox.read_ns);
        return next;
    }

    pub fn step(client: *SocketClient, random: Random, io: *Simulated, config: *const sws.Config) Failure!void {
        const connection = client.connection orelse return;
        const now = io.now_ns;
        client.waited_ns_max = @max(client.waited_ns_max, now - client.taken_ns);
        if (connection.to_server.len == 0) client.taken_ns = now;
        client.inbox.look(connection, now);
        if (client.inbox.isDue(now) and connection.isReadable()) try client.read(random, io, config);
        if (client.connection == null) return;
        if (now >= client.send_ns and client.sent < client.frames.bytes.items.len and !connection.client_finished) client.send(random, io);
        if (client.style == .resetting and client.sent >= client.reset_at and random.uintLessThan(u8, 8) == 0) {
            io.clientReset(connection);
            return client.end(.reset_by_client);
        }
        // It is asked once whether it is there; what waits in the backlog comes on top.
        const progress_ms_max = config.head_timeout_ms + 3 * config.idle_timeout_ms + config.write_timeout_ms + config.linger_timeout_ms + 60_000;
        if (now - client.active_ns > @as(u64, progress_ms_max) * std.time.ns_per_ms) return error.NoProgress;
    }

    fn send(client: *SocketClient, random: Random, io: *Simulated) void {
        const connection = client.connection.?;
        const bytes = client.frames.bytes.items;
        var limit = bytes.len - client.sent;
        // Frames only once the connection is a WebSocket; then a pause.
        if (!client.is_open) limit = client.frames.handshake_len - client.sent;
        if (client.style != .hasty) limit = @min(limit, 1 + random.uintLessThan(usize, if (random.boolean()) 30 else 3000));
        const taken = if (limit > 0) connection.clientWrite(bytes[client.sent..][0..limit]) else 0;
        if (taken > 0) {
            client.active_ns = io.now_ns;
            client.rested_ns_max = @max(client.rested_ns_max, io.now_ns - client.sent_ns);
            client.sent_ns = io.now_ns;
        }
        client.sent += taken;
        const least: u64 = if (taken > 0) 1 else std.time.ns_per_ms;
        client.send_ns = io.now_ns + least + pause(random, client.style == .slow);
        // Rests for so long that it is asked whether it is there, and now and then for longer.
        // Between two messages it is asked, and within one it is closed.
        const rests_percent: u8 = if (taken > 0 and client.sent == client.frames.handshake_len) 30 else 3;
        if (client.style == .slow and random.uintLessThan(u8, 100) < rests_percent) client.send_ns += random.uintLessThan(u64, 6000 * std.time.ns_per_ms);
        if (client.sent == bytes.len and client.frames.ends_with == .cut) connection.client_finished = true;
    }

    /// How long the server may have heard nothing of it.
    fn silentNs(client: *const SocketClient, now_ns: u64) u64 {
        return @max(client.rested_ns_max, now_ns - client.sent_ns) + client.waited_ns_max;
    }

    fn current(client: *const SocketClient) ?*const frames_of.Expected {
        return if (client.met < client.frames.len) &client.frames.expected[client.met] else null;
    }

    fn read(client: *SocketClient, random: Random, io: *Simulated, config: *const sws.Config) Failure!void {
        const connection = client.connection.?;
        switch (client.inbox.read(connection, random, io.now_ns, client.style == .lazy_reader) catch return error.InvalidFrame) {
            .bytes => {
                client.active_ns = io.now_ns;
                if (!client.is_open) try client.matchHandshake();
                while (client.connection != null and client.is_open) {
                    if (!try client.matchFrame(io.now_ns, config)) break;
                }
            },
            .nothing => {},
            .end => try client.ended(io.now_ns, config, false),
            .reset => try client.ended(io.now_ns, config, true),
        }
    }

    fn matchHandshake(client: *SocketClient) Failure!void {
        // The rest is no answer of HTTP.
        const reader: ResponseReader = .{ .is_head = true };
        const response = (reader.read(client.inbox.bytes(), &.{}) catch return error.WrongHandshake) orelse return;
        if (response.status == 408) return client.end(.timed_out);
        if (response.status != client.frames.status) return error.WrongHandshake;
        if (response.status != 101) return client.end(.answered);
        const accept = response.header("sec-websocket-accept") orelse return error.WrongHandshake;
        if (!std.mem.eql(u8, accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) return error.WrongHandshake;
        client.inbox.drop(response.consumed);
        client.is_open = true;
        client.joined[0] = true;
    }

    /// The frame at the front; false when it isn't whole.
    fn matchFrame(client: *SocketClient, now_ns: u64, config: *const sws.Config) Failure!bool {
        const bytes = client.inbox.bytes();
        if (bytes.len < 2) return false;
        const first = bytes[0];
        // Whole messages without extensions, and of a server none is masked.
        if (first & 0xf0 != 0x80 or bytes[1] > 127) return error.InvalidFrame;
        var at: usize = 2;
        var len: usize = bytes[1];
        if (len == 127) return error.InvalidFrame;
        if (len == 126) {
            if (bytes.len < 4) return false;
            len = std.mem.readInt(u16, bytes[2..4], .big);
            if (len < 126) return error.InvalidFrame;
            at = 4;
        }
        if (bytes.len < at + len) return false;
        const payload = bytes[at..][0..len];
        switch (first & 0x0f) {
            1, 2 => if (len > 0 and payload[0] == 'B') try client.matchBroadcast(payload) else try client.matchEcho(first & 0x0f == 1, payload),
            8 => {
                try client.matchClose(payload, now_ns, config);
                // Nothing may stand behind it.
                if (bytes.len > at + len) return error.FrameBehindTheLast;
                return false;
            },
            9 => {
                // Only who rested is asked. The server's clock counts whole milliseconds.
                client.pings += 1;
                if (client.silentNs(now_ns) / std.time.ns_per_ms + 1 < config.idle_timeout_ms and client.style != .lazy_reader) return error.UnexpectedPing;
            },
            10 => {
                const expected = client.current() orelse return error.WrongFrame;
                if (expected.kind != .pong or !std.mem.eql(u8, payload, expected.payload())) return error.WrongFrame;
                client.met += 1;
            },
            else => return error.InvalidFrame,
        }
        client.inbox.drop(at + len);
        return true;
    }

    fn matchEcho(client: *SocketClient, is_text: bool, payload: []const u8) Failure!void {
        const expected = client.current() orelse return error.WrongFrame;
        if (expected.kind != .message or expected.is_text != is_text) return error.WrongFrame;
        if (!std.mem.eql(u8, payload, expected.payload())) return error.WrongFrame;
        client.met += 1;
        client.echoes += 1;
        if (expected.source != .command) return;
        const topic = expected.command[1] - '0';
        const joins = expected.command[0] == '+';
        if (joins != client.joined[topic]) client.next[topic] = null;
        client.joined[topic] = joins;
    }

    /// `B`, the topic, a number that counts its messages, and filler.
    fn matchBroadcast(client: *SocketClient, payload: []const u8) Failure!void {
        const space = std.mem.indexOfScalar(u8, payload, ' ') orelse return error.WrongFrame;
        if (space < 3) return error.WrongFrame;
        const topic = payload[1] - '0';
        const number = std.fmt.parseInt(u64, payload[2..space], 10) catch return error.WrongFrame;
        if (!std.mem.eql(u8, payload[space + 1 ..], filler[0 .. payload.len - space - 1])) return error.WrongFrame;
        if (!client.joined[topic]) return error.BroadcastToStranger;
        if (client.next[topic]) |expected| if (number != expected) return error.BroadcastMissed;
        client.next[topic] = number + 1;
        client.heard += 1;
    }

    fn matchClose(client: *SocketClient, payload: []const u8, now_ns: u64, config: *const sws.Config) Failure!void {
        if (payload.len == 1) return error.WrongClose;
        const code = if (payload.len == 0) 0 else std.mem.readInt(u16, payload[0..2], .big);
        // For leaving too much unread, which others decide about.
        if (code == 1013) return client.end(.too_slow);
        // For a message that took too long, which nothing shorter than it can.
        const is_late = (now_ns - client.connect_ns) / std.time.ns_per_ms + 1 >= config.body_timeout_ms;
        if (code == 1008 and is_late) return client.end(.timed_out);
        const expected = client.current() orelse return error.WrongClose;
        if (expected.kind != .close or code != expected.code) return error.WrongClose;
        client.met += 1;
        client.end(.answered);
    }

    /// The server closed, or reset: is there a reason?
    fn ended(client: *SocketClient, now_ns: u64, config: *const sws.Config, was_reset: bool) Failure!void {
        const ms = std.time.ns_per_ms;
        if (client.connection.?.dropped) return client.end(.dropped);
        if (client.frames.ends_with == .cut and client.current() == null and client.sent == client.frames.bytes.items.len) return client.end(.answered);
        if (client.inbox.unread_ns_max + ms >= @as(u64, config.write_timeout_ms) * ms) return client.end(.timed_out);
        if (client.silentNs(now_ns) + ms >= @as(u64, config.idle_timeout_ms) * ms) return client.end(.timed_out);
        if (!client.is_open and now_ns - client.connect_ns + ms >= @as(u64, config.head_timeout_ms) * ms) return client.end(.timed_out);
        // What is sent behind a Close for a breach, or for being slow, resets the connection when it comes too late, and the Close is lost
        // to whom it waited for all that time.
        if (was_reset and now_ns - client.inbox.caught_up_ns + ms >= @as(u64, config.linger_timeout_ms) * ms) return client.end(.timed_out);
        client.end(.unexplained);
    }

    fn end(client: *SocketClient, ending: Ending) void {
        client.connection.?.clientLeave();
        client.connection = null;
        client.ending = ending;
    }
};
