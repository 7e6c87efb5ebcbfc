//! From a name to a connected socket: its addresses one after the other, until one answers.

const std = @import("std");
const assert = std.debug.assert;
const resolver_of = @import("resolver.zig");
const ring_shared = @import("ring_shared.zig");
const Timer = @import("timers.zig").Timer;
const socket_of = @import("socket.zig");

pub const Failure = socket_of.Failure || socket_of.OpenError || resolver_of.Failure;

/// RFC 1035: no name is longer, with the dot at its end; nor is any address.
pub const host_bytes_max = 254;

/// What each address gets at least while others are left, of the time for all of them: a lost packet costs a second.
const attempt_ms_min = 1_500;

pub fn ConnectorType(comptime IO: type) type {
    return struct {
        rs: *RingShared = undefined,
        state: State = .idle,
        owner: Owner = undefined,
        ticket: resolver_of.Ticket = undefined,
        socket: ?*Socket = null,
        timer: Timer = .{ .on = onTimer },
        addresses: resolver_of.Addresses = .{},
        /// The one that is tried.
        at: usize = 0,
        port: u16 = 0,
        deadline_ms: u64 = 0,
        failure: Failure = error.NoAddress,

        const Connector = @This();
        const RingShared = ring_shared.RingSharedType(IO);
        const Socket = RingShared.Sockets.Socket;

        const State = enum { idle, resolving, connecting };
        pub const Outcome = Failure!*Socket;

        /// Told once. It changes the socket's owner before anything else.
        pub const Owner = struct { ptr: *anyopaque, on: *const fn (ptr: *anyopaque, outcome: Outcome) void };

        /// What fails at once is returned, and the owner not told.
        pub fn start(connector: *Connector, rs: *RingShared, host: []const u8, port: u16, deadline_ms: u64, owner: Owner) Failure!void {
            assert(connector.state == .idle);
            connector.* = .{ .rs = rs, .owner = owner, .port = port, .deadline_ms = deadline_ms };
            switch (try rs.resolver.resolve(host, .{ .ptr = connector, .on = onResolved })) {
                .later => |ticket| {
                    connector.ticket = ticket;
                    connector.state = .resolving;
                    // The resolver's own time-outs may be longer.
                    rs.timers.set(&connector.timer, deadline_ms);
                },
                .now => |addresses| {
                    connector.addresses = addresses;
                    try connector.next();
                },
            }
        }

        /// The owner hears nothing more.
        pub fn cancel(connector: *Connector) void {
            switch (connector.state) {
                .idle => return,
                .resolving => connector.rs.resolver.cancel(connector.ticket),
                .connecting => connector.socket.?.close(),
            }
            connector.rest();
        }

        fn rest(connector: *Connector) void {
            connector.state = .idle;
            connector.socket = null;
            connector.rs.timers.cancel(&connector.timer);
        }

        fn onTimer(timer: *Timer) void {
            const connector: *Connector = @fieldParentPtr("timer", timer);
            connector.cancel();
            connector.tell(error.TimedOut);
        }

        fn onResolved(ptr: *anyopaque, outcome: *const resolver_of.Outcome) void {
            const connector: *Connector = @ptrCast(@alignCast(ptr));
            assert(connector.state == .resolving);
            connector.rest();
            connector.addresses = outcome.* catch |err| return connector.tell(err);
            connector.next() catch |err| connector.tell(err);
        }

        /// The next address that a socket can be opened for, or what the last one failed with.
        fn next(connector: *Connector) Failure!void {
            const addresses = connector.addresses.slice();
            while (connector.at < addresses.len) {
                const address = addresses[connector.at];
                const left = addresses.len - connector.at;
                connector.at += 1;
                const now_ms = connector.rs.now_ms();
                if (now_ms >= connector.deadline_ms) return error.TimedOut;
                const share_ms = @max((connector.deadline_ms - now_ms) / left, attempt_ms_min);
                const attempt_ms = @min(connector.deadline_ms, now_ms + share_ms);
                connector.socket = connector.rs.sockets.open(.stream, .of(address, connector.port), .{
                    .ptr = connector,
                    .on = onSocket,
                }, attempt_ms) catch |err| {
                    connector.failure = err;
                    continue;
                };
                connector.state = .connecting;
                return;
            }
            return connector.failure;
        }

        fn onSocket(ptr: *anyopaque, socket: *Socket, what: Socket.What) void {
            const connector: *Connector = @ptrCast(@alignCast(ptr));
            assert(connector.state == .connecting);
            switch (what) {
                .connected => {
                    connector.rest();
                    socket.setDeadline(timers_never);
                    connector.tell(socket);
                },
                .ended => |failure| {
                    connector.rest();
                    connector.failure = failure;
                    connector.next() catch |err| connector.tell(err);
                },
                .data, .drained => unreachable,
            }
        }

        fn tell(connector: *Connector, outcome: Outcome) void {
            connector.owner.on(connector.owner.ptr, outcome);
        }
    };
}

const timers_never = @import("timers.zig").never;
