//! A TCP connection to elsewhere on the loop's thread, for libraries that speak a protocol over bytes: what arrives is given
//! to `onData`, what is written leaves in its order, and the end is told once by `onClose`.
//!
//! ```
//! var client = try RingSharedClient.init(allocator, server.rs, onData, onClose, nats);
//! defer client.deinit();
//! try client.connect("localhost", 4222);
//! try client.write("PUB subject 5\r\nhello\r\n");
//! ```

const std = @import("std");
const assert = std.debug.assert;
const connector_of = @import("connector.zig");
const ring_shared = @import("ring_shared.zig");
const Timer = @import("timers.zig").Timer;
const socket_of = @import("socket.zig");

pub const OnData = *const fn (ctx: ?*anyopaque, data: []u8) void;
pub const OnClose = *const fn (ctx: ?*anyopaque) void;
pub const OnConnect = *const fn (ctx: ?*anyopaque) void;
pub const OnDrained = *const fn (ctx: ?*anyopaque) void;

/// As libc's clients often have it; a peer in another continent takes a second or two.
pub const connect_timeout_ms_default = 10_000;

pub fn RingSharedClientType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        rs: *RingShared,
        on_data: OnData,
        on_close: OnClose,
        ctx: ?*anyopaque,
        /// Set them before `connect`, where they are of use.
        on_connect: ?OnConnect = null,
        /// There is room for writing again, after `error.WriteQueueFull`.
        on_drained: ?OnDrained = null,
        /// For resolving and connecting, all addresses together.
        connect_timeout_ms: u32 = connect_timeout_ms_default,
        state: State = .closed,
        beginning: Timer = .{ .on = begin },
        connector: Connector = .{},
        socket: ?*Socket = null,
        /// Of this connection, or of the next one.
        read_limit: usize = std.math.maxInt(usize),
        /// Why the last connection has ended, or none came about.
        failure: ?Failure = null,
        host_buffer: [connector_of.host_bytes_max]u8 = undefined,
        host_len: usize = 0,
        port: u16 = 0,
        /// What was written before there was a socket.
        early: std.ArrayList(u8) = .empty,

        const Client = @This();
        const RingShared = ring_shared.RingSharedType(IO);
        const Socket = RingShared.Sockets.Socket;
        const Connector = connector_of.ConnectorType(IO);

        pub const State = enum { closed, waiting_for_loop, connecting, open };
        pub const Failure = connector_of.Failure;
        pub const ConnectError = Failure || error{AlreadyConnected};
        pub const WriteError = socket_of.WriteError || error{ NotConnected, OutOfMemory };

        pub fn init(
            allocator: std.mem.Allocator,
            rs: *RingShared,
            on_data: OnData,
            on_close: OnClose,
            ctx: ?*anyopaque,
        ) error{OutOfMemory}!*Client {
            const client = try allocator.create(Client);
            client.* = .{ .allocator = allocator, .rs = rs, .on_data = on_data, .on_close = on_close, .ctx = ctx };
            return client;
        }

        /// On the loop's thread, or when the loop doesn't run. The connection ends at once, and `onClose` isn't called.
        pub fn deinit(client: *Client) void {
            client.abort();
            client.early.deinit(client.allocator);
            client.allocator.destroy(client);
        }

        /// Begins to; `on_connect` tells the success, and `onClose` the failure, unless it is returned. Before the loop runs it is
        /// remembered.
        pub fn connect(client: *Client, host: []const u8, port: u16) ConnectError!void {
            if (client.state != .closed) return error.AlreadyConnected;
            if (host.len == 0 or host.len > client.host_buffer.len) return error.InvalidName;
            @memcpy(client.host_buffer[0..host.len], host);
            client.host_len = host.len;
            client.port = port;
            client.failure = null;
            if (client.rs.ring == null) {
                // The loop's first turn finds it over.
                client.rs.timers.set(&client.beginning, 0);
                client.state = .waiting_for_loop;
                return;
            }
            return client.start();
        }

        fn begin(timer: *Timer) void {
            const client: *Client = @fieldParentPtr("beginning", timer);
            client.start() catch |err| client.ended(err);
        }

        fn start(client: *Client) Failure!void {
            const deadline_ms = client.rs.now_ms() + client.connect_timeout_ms;
            client.state = .connecting;
            errdefer client.state = .closed;
            try client.connector.start(client.rs, client.host_buffer[0..client.host_len], client.port, deadline_ms, .{
                .ptr = client,
                .on = onConnector,
            });
        }

        /// Queues all of it, or nothing. `WriteQueueFull` says that the other side doesn't read as fast as we write: go on
        /// after `on_drained`.
        pub fn write(client: *Client, bytes: []const u8) WriteError!void {
            switch (client.state) {
                .closed => return error.NotConnected,
                .open => return client.socket.?.write(bytes),
                .waiting_for_loop, .connecting => {
                    if (client.early.items.len + bytes.len > client.rs.sockets.options.queue_bytes) return error.WriteQueueFull;
                    try client.early.appendSlice(client.allocator, bytes);
                },
            }
        }

        /// How many bytes `write` would take.
        pub fn writable(client: *const Client) usize {
            return switch (client.state) {
                .closed => 0,
                .open => client.socket.?.room(),
                .waiting_for_loop, .connecting => client.rs.sockets.options.queue_bytes - client.early.items.len,
            };
        }

        /// `on_drained` is called once there is room for writing, as after `WriteQueueFull`.
        pub fn askForDrained(client: *Client) void {
            if (client.socket) |socket| socket.askForDrained();
        }

        /// `onData` is given no more than so many bytes at once from the next receive on; nothing with 0, and the other side feels it. Before there
        /// is a connection it holds from its beginning on.
        pub fn limitReading(client: *Client, bytes_max: usize) void {
            client.read_limit = bytes_max;
            if (client.socket) |socket| socket.limitReading(bytes_max);
        }

        pub fn pauseReading(client: *Client) void {
            client.limitReading(0);
        }

        pub fn resumeReading(client: *Client) void {
            client.limitReading(std.math.maxInt(usize));
        }

        /// What was written on a connection still leaves; nothing more is received, and `onClose` is called before this returns.
        pub fn close(client: *Client) void {
            if (client.state == .closed) return;
            if (client.socket) |socket| {
                socket.finish();
                client.socket = null;
            } else client.abort();
            client.ended(null);
        }

        fn abort(client: *Client) void {
            if (client.state == .waiting_for_loop) client.rs.timers.cancel(&client.beginning);
            if (client.state == .connecting) client.connector.cancel();
            if (client.socket) |socket| socket.close();
            client.socket = null;
            client.state = .closed;
        }

        fn ended(client: *Client, failure: ?Failure) void {
            client.state = .closed;
            client.failure = failure;
            client.read_limit = std.math.maxInt(usize);
            client.early.clearRetainingCapacity();
            client.on_close(client.ctx);
        }

        fn onConnector(ptr: *anyopaque, outcome: Connector.Outcome) void {
            const client: *Client = @ptrCast(@alignCast(ptr));
            assert(client.state == .connecting);
            const socket = outcome catch |err| return client.ended(err);
            client.socket = socket;
            client.state = .open;
            socket.changeOwner(.{ .ptr = client, .on = onSocket });
            socket.limit = client.read_limit;
            // No more than the queue holds.
            if (client.early.items.len > 0) socket.write(client.early.items) catch unreachable;
            client.early.clearRetainingCapacity();
            if (client.on_connect) |on_connect| on_connect(client.ctx);
        }

        fn onSocket(ptr: *anyopaque, _: *Socket, what: Socket.What) void {
            const client: *Client = @ptrCast(@alignCast(ptr));
            switch (what) {
                .connected => unreachable,
                .data => |bytes| client.on_data(client.ctx, bytes),
                .drained => if (client.on_drained) |on_drained| on_drained(client.ctx),
                .ended => |failure| {
                    client.socket = null;
                    client.ended(failure);
                },
            }
        }
    };
}
