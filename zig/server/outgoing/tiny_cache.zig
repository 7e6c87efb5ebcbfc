//! Connections that rest between two requests, by host and port, for a short time. Each is listened to while it rests: one
//! that the other side closes, or says something on unasked, is not used again.

const std = @import("std");
const connector_of = @import("connector.zig");
const ring_shared = @import("ring_shared.zig");

pub fn TinyCacheType(comptime IO: type) type {
    return struct {
        ttl_ms: u64,
        entries: [entries_max]Entry = @splat(.{}),
        hits: u64 = 0,
        evicted: u64 = 0,

        const TinyCache = @This();
        const RingShared = ring_shared.RingSharedType(IO);
        const Socket = RingShared.Sockets.Socket;

        /// A service talks to a handful of others. One look goes over all of them.
        pub const entries_max = 16;

        const Entry = struct {
            socket: ?*Socket = null,
            host: [connector_of.host_bytes_max]u8 = undefined,
            host_len: usize = 0,
            port: u16 = 0,
            expires_ms: u64 = 0,

            fn is(entry: *const Entry, host: []const u8, port: u16) bool {
                return entry.socket != null and entry.port == port and std.ascii.eqlIgnoreCase(entry.host[0..entry.host_len], host);
            }
        };

        /// It belongs to the caller, who becomes its owner at once.
        pub fn take(cache: *TinyCache, host: []const u8, port: u16, now_ms: u64) ?*Socket {
            var newest: ?*Entry = null;
            for (&cache.entries) |*entry| {
                if (!entry.is(host, port) or entry.expires_ms <= now_ms) continue;
                // The one that has rested least is the likeliest to live.
                if (newest == null or entry.expires_ms > newest.?.expires_ms) newest = entry;
            }
            const entry = newest orelse return null;
            defer entry.socket = null;
            cache.hits += 1;
            return entry.socket;
        }

        /// The cache becomes its owner. When all places are taken, what is over soonest makes room.
        pub fn put(cache: *TinyCache, host: []const u8, port: u16, socket: *Socket, now_ms: u64) void {
            if (cache.ttl_ms == 0) return socket.finish();
            var place = &cache.entries[0];
            for (&cache.entries) |*entry| {
                if (entry.socket == null) {
                    place = entry;
                    break;
                }
                if (entry.expires_ms < place.expires_ms) place = entry;
            }
            if (place.socket) |other| {
                cache.evicted += 1;
                other.finish();
            }
            @memcpy(place.host[0..host.len], host);
            place.host_len = host.len;
            place.port = port;
            place.expires_ms = now_ms + cache.ttl_ms;
            place.socket = socket;
            socket.changeOwner(.{ .ptr = cache, .on = onSocket });
        }

        /// Lets go of those whose time is over.
        pub fn tick(cache: *TinyCache, now_ms: u64) void {
            for (&cache.entries) |*entry| {
                const socket = entry.socket orelse continue;
                if (entry.expires_ms > now_ms) continue;
                entry.socket = null;
                cache.evicted += 1;
                socket.finish();
            }
        }

        /// When `tick` has something to do.
        pub fn nextDeadline(cache: *const TinyCache) u64 {
            var next: u64 = std.math.maxInt(u64);
            for (&cache.entries) |*entry| {
                if (entry.socket != null) next = @min(next, entry.expires_ms);
            }
            return next;
        }

        pub fn used(cache: *const TinyCache) usize {
            var count: usize = 0;
            for (&cache.entries) |*entry| count += @intFromBool(entry.socket != null);
            return count;
        }

        fn onSocket(ptr: *anyopaque, socket: *Socket, what: Socket.What) void {
            const cache: *TinyCache = @ptrCast(@alignCast(ptr));
            switch (what) {
                .connected => unreachable,
                .drained => return,
                .data => socket.close(),
                .ended => {},
            }
            for (&cache.entries) |*entry| {
                if (entry.socket == socket) entry.socket = null;
            }
        }
    };
}
