//! A request to elsewhere and its response, as a machine of states on the loop's thread: a connection that rests or a new
//! one, the request, the response's head, its body. `HttpClient` puts a fiber on top.
//!
//! Until a request is begun to be sent, everything may be tried again: the next address, and all of them once more. Afterwards
//! nobody knows what the other side has done already, and nothing is, with one exception: a connection that rested may have been
//! closed by the other side just when the request left. Where not a byte came back, an idempotent method is tried once more, on a
//! new connection (RFC 9112 9.3.1).

const std = @import("std");
const assert = std.debug.assert;
const bytes_of = @import("../protocol/bytes.zig");
const connector_of = @import("connector.zig");
const fields_of = @import("../protocol/http/fields.zig");
const http = @import("../protocol/http.zig");
const pages = @import("../pages.zig");
const response_of = @import("../protocol/client.zig");
const ring_shared = @import("ring_shared.zig");
const socket_of = @import("socket.zig");
const timers_of = @import("timers.zig");
const tiny_cache = @import("tiny_cache.zig");
const url_of = @import("url.zig");
const Timer = timers_of.Timer;
const Url = url_of.Url;

pub const Options = struct {
    /// From the call to the end of the body.
    timeout_ms: u32 = 30_000,
    /// Of it, for the name and a connection.
    connect_timeout_ms: u32 = 5_000,
    /// All addresses of a name, so many times, as long as that time lasts.
    connect_attempts: u32 = 2,
    /// Of a response. As much as the server takes of a request.
    body_bytes_max: u32 = 1 << 20,
    /// The head of a response, as strictly as that of a request.
    limits: http.Limits = .{},
    /// Requests at once. Each has memory for both heads, which costs nothing untouched.
    exchanges_max: u16 = 64,
};

pub const Header = struct { name: []const u8, value: []const u8 };

/// Everything in it stays as it is until the response.
pub const Request = struct {
    method: []const u8 = "GET",
    /// `http://`: TLS is a proxy's.
    url: []const u8,
    headers: []const Header = &.{},
    /// Null for none.
    body: ?[]const u8 = null,
};

pub const Failure = connector_of.Failure || response_of.Error || http.BodyError || url_of.Error || error{
    /// A name or value that no field may have, or one that says where the message ends.
    InvalidHeader,
    InvalidMethod,
    /// The request's own fields are longer than `request_head_bytes_max`.
    RequestTooLong,
    TooManyExchanges,
    /// The connection ended in the middle of the response.
    ResponseCutOff,
    OutOfMemory,
};

/// What was answered. It belongs to whoever asked for it.
pub const Response = struct {
    allocator: std.mem.Allocator,
    status: u16,
    body: []u8,
    /// The head, and its fields in it.
    head: []u8,
    fields: []http.Field,

    pub fn deinit(response: *const Response) void {
        response.allocator.free(response.body);
        response.allocator.free(response.head);
        response.allocator.free(response.fields);
    }

    /// The value of the first field of that name, which is written in small letters.
    pub fn header(response: *const Response, name_lower: []const u8) ?[]const u8 {
        return fields_of.find(response.head, response.fields, name_lower);
    }
};

pub const Outcome = Failure!Response;

/// Told once, on the loop's thread.
pub const Waiter = struct { ptr: *anyopaque, on: *const fn (ptr: *anyopaque, outcome: Outcome) void };

/// As long as the head of a request that this server would take.
const request_head_bytes_max = 16 * 1024;

pub fn HttpExchangesType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        rs: *RingShared,
        cache: *TinyCache,
        options: Options,
        slots: []Exchange,
        memory: []u8,

        const Exchanges = @This();
        pub const RingShared = ring_shared.RingSharedType(IO);
        const Connector = connector_of.ConnectorType(IO);
        const Socket = RingShared.Sockets.Socket;
        const TinyCache = tiny_cache.TinyCacheType(IO);

        pub fn init(allocator: std.mem.Allocator, rs: *RingShared, cache: *TinyCache, options: Options) error{OutOfMemory}!Exchanges {
            const slots = try allocator.alloc(Exchange, options.exchanges_max);
            errdefer allocator.free(slots);
            // What arrives is put behind what there is of the head, which is shorter than its limit.
            const response_bytes = @as(usize, options.limits.head_bytes_max) + rs.sockets.options.receive_bytes;
            const slot_bytes = request_head_bytes_max + response_bytes;
            const memory = try pages.reserve(u8, slot_bytes * slots.len);
            for (slots, 0..) |*slot, i| {
                const bytes = memory[i * slot_bytes ..][0..slot_bytes];
                slot.* = .{ .request_head = bytes[0..request_head_bytes_max], .response_head = bytes[request_head_bytes_max..] };
            }
            return .{ .allocator = allocator, .rs = rs, .cache = cache, .options = options, .slots = slots, .memory = memory };
        }

        /// What isn't done ends without a word to who waits for it.
        pub fn deinit(exchanges: *Exchanges) void {
            for (exchanges.slots) |*exchange| {
                if (exchange.state != .free) exchange.end();
            }
            pages.release(u8, exchanges.memory);
            exchanges.allocator.free(exchanges.slots);
            exchanges.* = undefined;
        }

        pub fn used(exchanges: *const Exchanges) usize {
            var count: usize = 0;
            for (exchanges.slots) |*exchange| count += @intFromBool(exchange.state != .free);
            return count;
        }

        /// What fails at once is returned, and the waiter not told.
        pub fn start(exchanges: *Exchanges, request: Request, waiter: Waiter) Failure!*Exchange {
            const url: Url = try .parse(request.url);
            if (url.host.len > connector_of.host_bytes_max) return error.InvalidUrl;
            const exchange = for (exchanges.slots) |*exchange| {
                if (exchange.state == .free) break exchange;
            } else return error.TooManyExchanges;
            const head = try writeHead(exchange.request_head, request, url);
            const now_ms = exchanges.rs.now_ms();
            exchange.* = .{
                .exchanges = exchanges,
                .request_head = exchange.request_head,
                .response_head = exchange.response_head,
                .waiter = waiter,
                .url = url,
                .is_head = std.mem.eql(u8, request.method, "HEAD"),
                .is_idempotent = isIdempotent(request.method),
                .head = head,
                .body = request.body orelse "",
                .request = .{ head, request.body orelse "" },
                .deadline_ms = now_ms + exchanges.options.timeout_ms,
            };
            if (exchanges.cache.take(url.host, url.port, now_ms)) |socket| {
                exchange.has_rested = true;
                exchange.begin(socket);
            } else try exchange.connect();
            exchanges.rs.timers.set(&exchange.timer, exchange.deadline_ms);
            return exchange;
        }

        /// The waiter hears nothing.
        pub fn cancel(_: *Exchanges, exchange: *Exchange) void {
            assert(exchange.state != .free);
            exchange.end();
        }

        pub const Exchange = struct {
            exchanges: *Exchanges = undefined,
            request_head: []u8,
            response_head: []u8,
            state: State = .free,
            waiter: Waiter = undefined,
            url: Url = undefined,
            is_head: bool = false,
            is_idempotent: bool = false,
            /// The connection was used before, and nothing has come from it since.
            has_rested: bool = false,
            connector: Connector = .{},
            attempts: u32 = 0,
            socket: ?*Socket = null,
            timer: Timer = .{ .on = onTimer },
            deadline_ms: u64 = 0,
            /// What is left to be queued.
            head: []const u8 = "",
            body: []const u8 = "",
            /// Both, whole.
            request: [2][]const u8 = @splat(""),
            response_len: usize = 0,
            parser: response_of.ResponseParser = .{},
            fields: [http.Limits.header_count_standard]http.Field = undefined,
            response: ?Response = null,
            keep_alive: bool = false,
            framing: http.Body = undefined,
            received: std.ArrayList(u8) = .empty,

            const State = enum { free, connecting, head, body };

            fn connect(exchange: *Exchange) Failure!void {
                const exchanges = exchange.exchanges;
                exchange.attempts += 1;
                const deadline_ms = @min(exchange.deadline_ms, exchanges.rs.now_ms() + exchanges.options.connect_timeout_ms);
                try exchange.connector.start(exchanges.rs, exchange.url.host, exchange.url.port, deadline_ms, .{
                    .ptr = exchange,
                    .on = onConnector,
                });
                exchange.state = .connecting;
            }

            fn onConnector(ptr: *anyopaque, outcome: Connector.Outcome) void {
                const exchange: *Exchange = @ptrCast(@alignCast(ptr));
                const socket = outcome catch |err| {
                    if (exchange.attempts < exchange.exchanges.options.connect_attempts and mayChange(err)) {
                        exchange.connect() catch |again| exchange.fail(again);
                    } else exchange.fail(err);
                    return;
                };
                exchange.begin(socket);
            }

            /// On a connected socket.
            fn begin(exchange: *Exchange, socket: *Socket) void {
                exchange.socket = socket;
                exchange.state = .head;
                socket.changeOwner(.{ .ptr = exchange, .on = onSocket });
                exchange.send();
            }

            /// As much as the socket's queue takes.
            fn send(exchange: *Exchange) void {
                const socket = exchange.socket.?;
                for ([_]*[]const u8{ &exchange.head, &exchange.body }) |rest| {
                    const count = @min(rest.len, socket.room());
                    if (count > 0) socket.write(rest.*[0..count]) catch unreachable;
                    rest.* = rest.*[count..];
                    if (rest.len > 0) return socket.askForDrained();
                }
            }

            fn onSocket(ptr: *anyopaque, _: *Socket, what: Socket.What) void {
                const exchange: *Exchange = @ptrCast(@alignCast(ptr));
                switch (what) {
                    .connected => unreachable,
                    .drained => exchange.send(),
                    .data => |bytes| exchange.onData(bytes) catch |err| exchange.fail(err),
                    .ended => |failure| {
                        exchange.socket = null;
                        exchange.onEnded(failure);
                    },
                }
            }

            fn onEnded(exchange: *Exchange, failure: socket_of.Failure) void {
                const is_whole = exchange.state == .body and exchange.framing.kind == .until_close;
                if (is_whole and failure == error.EndOfStream) return exchange.complete();
                if (exchange.has_rested and exchange.is_idempotent and wasClosed(failure)) {
                    exchange.has_rested = false;
                    exchange.head, exchange.body = exchange.request;
                    return exchange.connect() catch |err| exchange.fail(err);
                }
                const has_begun = exchange.state == .body or exchange.response_len > 0;
                exchange.fail(if (has_begun and failure != error.Stopping) error.ResponseCutOff else failure);
            }

            fn onData(exchange: *Exchange, bytes: []u8) Failure!void {
                exchange.has_rested = false;
                if (exchange.state == .body) return exchange.onBody(bytes);
                const buffer = exchange.response_head;
                @memcpy(buffer[exchange.response_len..][0..bytes.len], bytes);
                exchange.response_len += bytes.len;
                const options: response_of.Options = .{ .limits = exchange.exchanges.options.limits, .is_head = exchange.is_head };
                while (true) {
                    const message = buffer[0..exchange.response_len];
                    switch (try exchange.parser.feed(message, &options, &exchange.fields)) {
                        .incomplete => return,
                        .interim => |len| {
                            std.mem.copyForwards(u8, buffer, message[len..]);
                            exchange.response_len -= len;
                        },
                        .complete => break,
                    }
                }
                const message = buffer[0..exchange.response_len];
                const head_bytes = exchange.parser.headBytes();
                const head = exchange.parser.response(message, &options, &exchange.fields);
                const allocator = exchange.exchanges.allocator;
                exchange.framing = try .init(head.framing, exchange.exchanges.options.body_bytes_max);
                const fields = try allocator.dupe(http.Field, head.fields);
                errdefer allocator.free(fields);
                exchange.response = .{
                    .allocator = allocator,
                    .status = head.status,
                    .body = &.{},
                    .head = try allocator.dupe(u8, message[0..head_bytes]),
                    .fields = fields,
                };
                exchange.keep_alive = head.keep_alive;
                exchange.state = .body;
                return exchange.onBody(message[head_bytes..]);
            }

            fn onBody(exchange: *Exchange, bytes: []const u8) Failure!void {
                var rest = bytes;
                while (true) {
                    const step = try exchange.framing.next(rest);
                    try exchange.received.appendSlice(exchange.exchanges.allocator, step.data);
                    rest = rest[step.consumed..];
                    if (step.done) {
                        // Whatever it is, it isn't the answer to a request that comes later.
                        if (rest.len > 0) exchange.keep_alive = false;
                        return exchange.complete();
                    }
                    if (rest.len == 0) return;
                }
            }

            fn complete(exchange: *Exchange) void {
                const exchanges = exchange.exchanges;
                exchange.response.?.body = exchange.received.toOwnedSlice(exchanges.allocator) catch return exchange.fail(error.OutOfMemory);
                const response = exchange.response.?;
                exchange.response = null;
                if (exchange.socket) |socket| {
                    // Who answers before the request has left may never read the rest.
                    const is_sent = exchange.head.len == 0 and exchange.body.len == 0 and socket.queue_len == 0;
                    if (exchange.keep_alive and is_sent) {
                        exchange.socket = null;
                        exchanges.cache.put(exchange.url.host, exchange.url.port, socket, exchanges.rs.now_ms());
                    }
                }
                const waiter = exchange.waiter;
                exchange.end();
                waiter.on(waiter.ptr, response);
            }

            fn onTimer(timer: *Timer) void {
                const exchange: *Exchange = @fieldParentPtr("timer", timer);
                exchange.fail(error.TimedOut);
            }

            fn fail(exchange: *Exchange, failure: Failure) void {
                const waiter = exchange.waiter;
                exchange.end();
                waiter.on(waiter.ptr, failure);
            }

            fn end(exchange: *Exchange) void {
                exchange.connector.cancel();
                if (exchange.socket) |socket| socket.close();
                exchange.socket = null;
                exchange.exchanges.rs.timers.cancel(&exchange.timer);
                exchange.received.deinit(exchange.exchanges.allocator);
                exchange.received = .empty;
                if (exchange.response) |*response| response.deinit();
                exchange.response = null;
                exchange.state = .free;
            }
        };
    };
}

/// Whether the same may succeed a moment later.
fn mayChange(err: connector_of.Failure) bool {
    return switch (err) {
        error.ConnectionRefused, error.ConnectionReset, error.TimedOut, error.NetworkUnreachable, error.EndOfStream => true,
        else => false,
    };
}

/// By the other side, and not by a time-out or our own end.
fn wasClosed(failure: socket_of.Failure) bool {
    return failure == error.EndOfStream or failure == error.ConnectionReset;
}

/// RFC 9110 9.2.2.
fn isIdempotent(method: []const u8) bool {
    for ([_][]const u8{ "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" }) |each| if (std.mem.eql(u8, method, each)) return true;
    return false;
}

fn writeHead(buffer: []u8, request: Request, url: Url) Failure![]const u8 {
    if (request.method.len == 0 or !bytes_of.isAll(.token, request.method)) return error.InvalidMethod;
    // What follows it would be no response.
    if (std.mem.eql(u8, request.method, "CONNECT")) return error.InvalidMethod;
    var writer: std.Io.Writer = .fixed(buffer);
    writeFields(&writer, request, url) catch |err| switch (err) {
        error.WriteFailed => return error.RequestTooLong,
        error.InvalidHeader => return error.InvalidHeader,
    };
    return writer.buffered();
}

fn writeFields(writer: *std.Io.Writer, request: Request, url: Url) error{ WriteFailed, InvalidHeader }!void {
    try writer.print("{s} {s}", .{ request.method, url.path });
    if (url.query) |query| try writer.print("?{s}", .{query});
    try writer.print(" HTTP/1.1\r\nHost: {s}\r\n", .{url.authority});
    for (request.headers) |header| {
        if (header.name.len == 0 or !bytes_of.isAll(.token, header.name)) return error.InvalidHeader;
        if (!bytes_of.isAll(.field_value, header.value)) return error.InvalidHeader;
        // The exchange's own: what they say has to be true.
        for ([_][]const u8{ "host", "content-length", "transfer-encoding", "connection", "upgrade", "expect" }) |own| {
            if (std.ascii.eqlIgnoreCase(header.name, own)) return error.InvalidHeader;
        }
        try writer.print("{s}: {s}\r\n", .{ header.name, header.value });
    }
    if (request.body) |body| try writer.print("Content-Length: {d}\r\n", .{body.len});
    try writer.writeAll("\r\n");
}
