//! How connections are accepted: by one operation that goes on by itself while there is plenty of room, and by single ones when
//! there is little, never more of them than connections that can be served. So nobody is accepted in vain: who comes too many
//! waits in the kernel's backlog, where its time-outs and its other servers know it.

const std = @import("std");
const io_of = @import("io.zig");

/// Single accepts under way: as many connections as are often opened at once, and few enough to be queued in every turn.
const singles_max = 16;

/// When accepting failed for want of descriptors, and nobody closed one since.
const retry_ms = 20;

const user_data: io_of.UserData = .{ .index = 0, .operation = .accept, .generation = 0 };

pub fn Acceptor(comptime Server: type) type {
    return struct {
        /// Operations under way.
        armed: u32 = 0,
        /// The one that is goes on by itself.
        is_multishot: bool = false,
        cancelled: bool = false,
        /// No connection is accepted any more, those that are open go on.
        ended: bool = false,
        /// Not before.
        after_ms: u64 = 0,

        const Self = @This();

        /// Sees to it that as many are under way as there is room for. Called in every turn.
        pub fn arm(self: *Self, server: *Server) void {
            const core = &server.core;
            if (core.stopping or self.ended) return self.cancel(server);
            // A slot may be free before its last connection's descriptor is.
            const used = @max(core.slots.live_len, server.connections.descriptors_open);
            const room = core.slots.capacity() -| used;
            const is_plenty = room > @TypeOf(server.io).accepts_at_once_max;
            if (self.is_multishot) {
                if (!is_plenty) self.cancel(server);
                return;
            }
            if (core.now_ms < self.after_ms) return;
            if (is_plenty and self.armed == 0) {
                server.io.accept(user_data, .multi);
                self.armed = 1;
                self.is_multishot = true;
                return;
            }
            while (self.armed < @min(room, singles_max)) : (self.armed += 1) server.io.accept(user_data, .single);
        }

        fn cancel(self: *Self, server: *Server) void {
            if (self.armed == 0 or self.cancelled) return;
            var data = user_data;
            data.operation = .cancel;
            server.io.cancel(user_data, data);
            self.cancelled = true;
        }

        pub fn on(self: *Self, server: *Server, event: *const io_of.Event) void {
            if (!event.more) {
                self.armed -= 1;
                if (self.armed == 0) {
                    self.is_multishot = false;
                    self.cancelled = false;
                }
            }
            if (event.failure()) |err| {
                if (err == .CANCELED) return;
                server.core.stats.accept_errors += 1;
                if (server.core.application) |application| application.onAcceptFailure(application.context, @intFromEnum(err));
                self.after_ms = server.core.now_ms + retry_ms;
                return;
            }
            server.connections.onAccept(server, @intCast(event.result));
        }
    };
}
