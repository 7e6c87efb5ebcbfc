//! A simulated client: says its script at its own pace, reads at its own pace, and looks at every answer. What it may not
//! be told, or be told late, it reports as a failure of the server's.

const std = @import("std");
const Random = std.Random;
const sws = @import("../root.zig");
const ResponseReader = @import("../testing/response_reader.zig").ResponseReader;
const Response = @import("../testing/response_reader.zig").Response;
const Simulated = sws.io.Simulated;
const Connection = @import("../io/simulated.zig").Connection;
const handlers = @import("handlers.zig");
const Inbox = @import("inbox.zig").Inbox;
const pause = @import("inbox.zig").pause;
const script_of = @import("script.zig");
const Expectation = script_of.Expectation;
const Script = script_of.Script;

/// How a client behaves.
pub const Style = enum {
    /// All at once, pipelined.
    hasty,
    /// In pieces with short pauses.
    usual,
    /// Long pauses, beyond the limits at times.
    slow,
    /// Reads late, beyond the limits at times.
    lazy_reader,
    /// Is gone at some point.
    resetting,
    /// Sends its end behind its last byte, and reads on.
    half_closing,
};

/// Why a connection ended before all was answered.
pub const Ending = enum {
    answered,
    reset_by_client,
    timed_out,
    dropped,
    /// A WebSocket that left too many broadcasts unread.
    too_slow,
    unexplained,
};

/// What no answer may exceed.
pub const receive_bytes_max = 160 * 1024;

pub const Client = struct {
    style: Style = .usual,
    connection: ?*Connection = null,
    script: Script = .{},
    /// Script bytes that are sent.
    sent: usize = 0,
    /// Expectations that are met.
    answered: usize = 0,
    continued: bool = false,
    inbox: Inbox,
    /// For whoever reads an answer, while it does.
    scratch: []u8,
    send_ns: u64 = 0,
    reset_at: usize = 0,
    /// When the first byte of the request in question was sent.
    request_ns: u64 = 0,
    /// The last time that anything was sent or received.
    active_ns: u64 = 0,
    ending: Ending = .answered,
    responses: u64 = 0,
    connect_ns: u64 = 0,

    pub const Failure = error{
        WrongStatus,
        WrongBody,
        /// What middleware adds is not there.
        WrongField,
        InvalidResponse,
        UnexpectedResponse,
        UnexpectedContinue,
        AnswerBehindTheLast,
        ClosedTooEarly,
        NoProgress,
        OutOfMemory,
    };

    pub fn begin(client: *Client, random: Random, connection: *Connection, now_ns: u64) void {
        client.style = random.enumValue(Style);
        client.connection = connection;
        client.sent = 0;
        client.answered = 0;
        client.continued = false;
        client.inbox.begin(now_ns);
        client.connect_ns = now_ns;
        client.send_ns = now_ns;
        client.request_ns = now_ns;
        client.active_ns = now_ns;
        client.ending = .answered;
        client.reset_at = random.uintAtMost(usize, client.script.bytes.items.len);
    }

    /// For whoever looks for the reason of a failure.
    pub fn describe(client: *const Client, writer: *std.Io.Writer) !void {
        try writer.print("a {t} client has sent {d} of {d} bytes, {d} of {d} requests are answered\n", .{
            client.style,    client.sent,       client.script.bytes.items.len,
            client.answered, client.script.len,
        });
        if (client.current()) |expected| {
            try writer.print("expected: {t}, status {d}, head {}, closes {}, HTTP/1.0 {}, {d} + {d} bytes\nof:\n{s}\n", .{
                expected.kind,       expected.status,                                                                            expected.is_head,
                expected.closes,     expected.is_http10,                                                                         expected.text_len,
                expected.filler_len, client.script.bytes.items[expected.start..@min(expected.body_start, expected.start + 600)],
            });
        }
        const ms = std.time.ns_per_ms;
        try writer.print("connected at {d} ms, sent the request at {d}, was active at {d}, read at {d}, not for {d}\n", .{
            client.connect_ns / ms, client.request_ns / ms, client.active_ns / ms, client.inbox.last_read_ns / ms, client.inbox.unread_ns_max / ms,
        });
        try writer.print("received:\n{s}\n", .{client.inbox.memory[0..@min(client.inbox.len, 600)]});
    }

    /// When it acts next, as things stand.
    pub fn nextNs(client: *const Client) u64 {
        const connection = client.connection orelse return std.math.maxInt(u64);
        var next: u64 = std.math.maxInt(u64);
        if (client.sent < client.script.bytes.items.len and connection.isWritable()) next = client.send_ns;
        if (connection.isReadable()) next = @min(next, client.inbox.read_ns);
        return next;
    }

    pub fn step(client: *Client, random: Random, io: *Simulated, config: *const sws.Config) Failure!void {
        const connection = client.connection orelse return;
        const now = io.now_ns;
        if (client.inbox.isDue(now) and connection.isReadable()) try client.read(random, io, config);
        if (client.connection == null) return;
        if (now >= client.send_ns and client.sent < client.script.bytes.items.len and !connection.client_finished) client.send(random, io);
        if (client.style == .resetting and client.sent >= client.reset_at and random.uintLessThan(u8, 8) == 0) {
            io.clientReset(connection);
            return client.end(.reset_by_client);
        }
        const progress_ms_max = config.head_timeout_ms + config.body_timeout_ms + config.idle_timeout_ms +
            config.deferred_timeout_ms + config.write_timeout_ms + config.linger_timeout_ms + waiting_ms_max;
        if (now - client.active_ns > @as(u64, progress_ms_max) * std.time.ns_per_ms) return error.NoProgress;
    }

    /// What a connection waits at most in the backlog beside the server's time-outs.
    const waiting_ms_max = 60_000;

    fn send(client: *Client, random: Random, io: *Simulated) void {
        const connection = client.connection.?;
        const script = client.script.bytes.items;
        const rest = script[client.sent..];
        var limit: usize = rest.len;
        const expected = client.current();
        // Whoever asked to go on waits for it, for a while.
        if (expected) |expectation| {
            if (expectation.expects_continue and client.sent <= expectation.body_start and !client.continued) {
                limit = @min(limit, expectation.body_start - client.sent);
                if (limit == 0) limit = if (random.uintLessThan(u8, 10) == 0) rest.len else 0;
            }
        }
        if (client.style != .hasty and limit > 0) limit = @min(limit, 1 + random.uintLessThan(usize, if (random.boolean()) 40 else 4000));
        const taken = connection.clientWrite(rest[0..limit]);
        if (taken > 0) {
            if (expected) |expectation| {
                if (client.sent <= expectation.start) client.request_ns = io.now_ns;
            } else if (client.request_ns == 0) client.request_ns = io.now_ns;
            client.active_ns = io.now_ns;
        }
        client.sent += taken;
        const least: u64 = if (taken > 0) 1 else std.time.ns_per_ms;
        client.send_ns = io.now_ns + least + pause(random, client.style == .slow);
        if (client.sent == script.len and client.style == .half_closing) connection.client_finished = true;
    }

    /// What is to be answered next.
    fn current(client: *const Client) ?*const Expectation {
        return if (client.answered < client.script.len) &client.script.expectations[client.answered] else null;
    }

    fn read(client: *Client, random: Random, io: *Simulated, config: *const sws.Config) Failure!void {
        const connection = client.connection.?;
        switch (client.inbox.read(connection, random, io.now_ns, client.style == .lazy_reader) catch return error.InvalidResponse) {
            .bytes => {
                client.active_ns = io.now_ns;
                try client.match(io.now_ns, config);
            },
            .nothing => {},
            .end => try client.ended(io.now_ns, config, false),
            .reset => try client.ended(io.now_ns, config, true),
        }
        if (client.connection == null) return;
        // All is answered: the client closes, unless the server said that it will.
        const is_done = client.answered == client.script.len and !client.script.is_cut and !client.lastCloses();
        if (is_done and !connection.client_finished) connection.client_finished = true;
    }

    fn lastCloses(client: *const Client) bool {
        return client.script.expectations[client.script.len - 1].closes;
    }

    fn match(client: *Client, now_ns: u64, config: *const sws.Config) Failure!void {
        while (client.inbox.len > 0) {
            const expectation = client.current() orelse {
                if (!client.script.is_cut) return error.UnexpectedResponse;
                return client.matchTimeout(now_ns, config);
            };
            const bytes = client.inbox.bytes();
            const is_raw = expectation.is_http10 and (expectation.kind == .pieces or expectation.kind == .broken) and !expectation.is_head;
            if (is_raw and std.mem.startsWith(u8, bytes, "HTTP/1.1 200")) return;
            const reader: ResponseReader = .{ .is_head = expectation.is_head };
            const response = (reader.read(bytes, client.scratch) catch return error.InvalidResponse) orelse return;
            if (response.status == 100) {
                if (!expectation.expects_continue or client.continued) return error.UnexpectedContinue;
                client.continued = true;
                client.inbox.drop(response.consumed);
                continue;
            }
            if (isTimeout(response.status)) return client.matchTimeout(now_ns, config);
            if (client.sent < expectation.end and response.status < 400) return error.UnexpectedResponse;
            if (response.status == 200) {
                const mark = response.header(handlers.mark_name) orelse return error.WrongField;
                if (!std.mem.startsWith(u8, &script_of.filler, mark)) return error.WrongField;
            }
            if (expectation.isDeferred() and response.status == 503) {
                if (response.closes != expectation.closes) return error.WrongStatus;
            } else {
                if (response.status != expectation.status) return error.WrongStatus;
                if (response.closes != expectation.closes) return error.WrongStatus;
                const is_checked = !expectation.is_head and response.status < 400 or expectation.text_len > 0 and !expectation.is_head;
                if (is_checked and !expectation.isBody(response.body)) return error.WrongBody;
            }
            client.inbox.drop(response.consumed);
            client.answered += 1;
            client.responses += 1;
            client.continued = false;
            // The next request may have been sent long before.
            if (expectation.closes and client.inbox.len > 0) return error.AnswerBehindTheLast;
        }
    }

    fn isTimeout(status: u16) bool {
        return status == 408 or status == 504;
    }

    /// 408 and 504 are the last answer of a connection, and have to have a reason.
    fn matchTimeout(client: *Client, now_ns: u64, config: *const sws.Config) Failure!void {
        const reader: ResponseReader = .{};
        const bytes = client.inbox.bytes();
        const response = (reader.read(bytes, client.scratch) catch return error.InvalidResponse) orelse return;
        if (!response.closes or response.consumed != bytes.len) return error.AnswerBehindTheLast;
        // The server's clock counts whole milliseconds, so it may be one ahead.
        const since_ms = (now_ns - client.request_ns) / std.time.ns_per_ms + 1;
        switch (response.status) {
            408 => if (since_ms < @min(config.head_timeout_ms, config.body_timeout_ms)) return error.WrongStatus,
            504 => {
                const expectation = client.current() orelse return error.WrongStatus;
                if (!expectation.isDeferred() or since_ms < config.deferred_timeout_ms) return error.WrongStatus;
            },
            else => return error.WrongStatus,
        }
        client.inbox.drop(bytes.len);
        client.responses += 1;
        client.end(.timed_out);
    }

    /// The server closed, or reset: is there a reason?
    fn ended(client: *Client, now_ns: u64, config: *const sws.Config, was_reset: bool) Failure!void {
        if (client.connection.?.dropped) return client.end(.dropped);
        if (client.current()) |expectation| {
            const is_raw = expectation.is_http10 and !expectation.is_head and !was_reset;
            if (is_raw and expectation.kind == .pieces) {
                // Ends where the connection does.
                const bytes = client.inbox.bytes();
                const head_len = if (std.mem.indexOf(u8, bytes, "\r\n\r\n")) |at| at + 4 else bytes.len;
                const body = bytes[head_len..];
                if (!expectation.isBody(body)) {
                    // Nothing but the connection's end tells a client of HTTP/1.0 where a body ends, so it can't tell a body
                    // that was given up from a whole one. What came of it is right all the same.
                    if (!std.mem.startsWith(u8, &script_of.filler, body)) return error.WrongBody;
                    const is_late = client.inbox.unread_ns_max + std.time.ns_per_ms >= @as(u64, config.write_timeout_ms) * std.time.ns_per_ms;
                    return client.end(if (is_late) .timed_out else .unexplained);
                }
                client.answered += 1;
                client.responses += 1;
                return client.end(.answered);
            }
            // A body that breaks off resets its connection, and with it answers that were on their way.
            for (client.script.expectations[client.answered..client.script.len]) |*ahead| {
                if (ahead.kind == .broken and !ahead.is_head and client.sent >= ahead.end) return client.end(.answered);
            }
        } else if (!client.script.is_cut) {
            if (client.inbox.len > 0) return error.UnexpectedResponse;
            return client.end(.answered);
        }
        const ms = std.time.ns_per_ms;
        const waited_ns = now_ns - client.active_ns + ms;
        const has_finished = client.connection.?.client_finished and client.script.is_cut and client.current() == null;
        if (has_finished) return client.end(.answered);
        if (client.inbox.unread_ns_max + ms >= @as(u64, config.write_timeout_ms) * ms) return client.end(.timed_out);
        if (waited_ns >= @as(u64, config.idle_timeout_ms) * ms) return client.end(.timed_out);
        // The answer to what was refused may be lost when the client goes on sending for too long.
        if (was_reset and now_ns - client.request_ns + ms >= @as(u64, config.linger_timeout_ms) * ms) return client.end(.timed_out);
        client.end(.unexplained);
    }

    fn end(client: *Client, ending: Ending) void {
        client.connection.?.clientLeave();
        client.connection = null;
        client.ending = ending;
    }
};
