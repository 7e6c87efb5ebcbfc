//! A ring of its own for HTTP to elsewhere (the seed's RingB): the server's ring keeps its queues for those who are served.
//! It shares the kernel's threads with that one, ends its sleep, and is driven by its loop.

const std = @import("std");
const io_of = @import("../io.zig");
const fiber_shared = @import("fiber_shared.zig");
const ring_shared = @import("ring_shared.zig");
const tiny_cache = @import("tiny_cache.zig");
const dns_resolver = @import("dns_resolver.zig");

pub const Options = struct {
    /// Connections at once, those that rest and those of name servers included.
    outgoing: u16 = 128,
    dns: dns_resolver.Config = .{},
};

/// Of one tick: what callbacks queued is handed over at once, but a ring that is always busy doesn't hold the loop.
const rounds_max = 4;

pub fn HttpRingType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        ring: *IO,
        rs: *RingShared,
        cache: TinyCache,
        events: []io_of.Event,

        const HttpRing = @This();
        pub const RingShared = ring_shared.RingSharedType(IO);
        pub const TinyCache = tiny_cache.TinyCacheType(IO);

        /// Beside `server.io.parent()`. Connections rest for `cache_ttl_ms` at most before they are closed; 0 reuses none.
        pub fn init(allocator: std.mem.Allocator, _: std.Io, parent: IO.Parent, cache_ttl_ms: u32) !HttpRing {
            return initOptions(allocator, parent, cache_ttl_ms, .{});
        }

        pub fn initOptions(allocator: std.mem.Allocator, parent: IO.Parent, cache_ttl_ms: u32, options: Options) !HttpRing {
            const ring = try allocator.create(IO);
            errdefer allocator.destroy(ring);
            // It accepts nothing, and sockets of one's own need none of the kernel's buffers.
            ring.* = try .initBeside(parent, .{ .buffer_size = 64, .buffer_count = 1, .descriptors = 1, .outgoing = options.outgoing });
            errdefer ring.deinit();
            const events = try allocator.alloc(io_of.Event, io_of.events_per_turn_max);
            errdefer allocator.free(events);
            return .{
                .allocator = allocator,
                .ring = ring,
                .rs = try .create(allocator, .{ .outgoing = options.outgoing, .dns = options.dns }),
                .cache = .{ .ttl_ms = cache_ttl_ms },
                .events = events,
            };
        }

        /// When its loop has ended.
        pub fn deinit(http_ring: *HttpRing) void {
            http_ring.ring.deinit();
            http_ring.rs.destroy();
            http_ring.allocator.destroy(http_ring.ring);
            http_ring.allocator.free(http_ring.events);
            http_ring.* = undefined;
        }

        /// From here on it stays where it is. Where the loop runs already, the ring begins with its next turn.
        pub fn registerWith(http_ring: *HttpRing, shared: *fiber_shared.FiberShared) error{TooManyRings}!void {
            try shared.register(.{
                .ptr = http_ring,
                .tickFn = tickErased,
                .nextDeadlineFn = nextDeadlineErased,
                .closeAllFn = closeAllErased,
            });
        }

        fn tickErased(ptr: *anyopaque) void {
            const http_ring: *HttpRing = @ptrCast(@alignCast(ptr));
            http_ring.tick() catch |err| std.debug.panic("the ring beside the server's: {t}", .{err});
        }

        fn nextDeadlineErased(ptr: *anyopaque) u64 {
            const http_ring: *HttpRing = @ptrCast(@alignCast(ptr));
            // Queued by somebody after the last tick.
            if (http_ring.ring.hasWork()) return 0;
            return @min(http_ring.rs.nextDeadline(), http_ring.cache.nextDeadline());
        }

        fn closeAllErased(ptr: *anyopaque) void {
            const http_ring: *HttpRing = @ptrCast(@alignCast(ptr));
            http_ring.rs.closeAll();
        }

        fn tick(http_ring: *HttpRing) !void {
            const ring = http_ring.ring;
            if (http_ring.rs.ring == null) {
                try ring.start();
                http_ring.rs.begin(ring);
            }
            const now_ms = ring.monotonic_ms();
            http_ring.rs.tick(now_ms);
            http_ring.cache.tick(now_ms);
            for (0..rounds_max) |_| {
                if (!ring.hasWork()) return;
                for (try ring.turn(http_ring.events, 0)) |*event| switch (event.user_data.operation) {
                    .cancel, .wake => {},
                    .accept, .receive, .send, .shutdown, .close => unreachable,
                    else => http_ring.rs.registry.dispatch(event),
                };
            }
        }
    };
}
