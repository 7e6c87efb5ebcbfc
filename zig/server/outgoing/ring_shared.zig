//! One ring and its thread, for all that goes out through it: who is told of completions, who may call from elsewhere, the
//! sockets, and the resolver. A server has one (`server.rs`); a ring of its own, as `HttpRing`, another.

const std = @import("std");
const dns_resolver = @import("dns_resolver.zig");
const invoker_of = @import("invoker.zig");
const io_of = @import("../io.zig");
const socket_of = @import("socket.zig");
const Event = io_of.Event;
const IORegistry = @import("registry.zig").IORegistry;
const Timers = @import("timers.zig").Timers;
const Resolver = @import("resolver.zig").Resolver;

pub const Options = struct {
    /// Sockets at once.
    outgoing: u32,
    /// Registrations of others beside them: a poll of a library's descriptor, a command of a device.
    registrations: u24 = 64,
    /// Calls from other threads that wait at once; a power of two.
    invokes: u32 = 1024,
    dns: dns_resolver.Config = .{},
};

pub fn RingSharedType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        /// Set when the loop begins: by `ringPtr` from the loop's thread only.
        ring: ?*IO = null,
        registry: IORegistry,
        invoke: invoker_of.InvokerType(IO),
        io_tid: std.Thread.Id = 0,
        timers: Timers = .{},
        sockets: Sockets,
        dns: *DnsResolver,
        /// Who finds the addresses of names: `dns`, unless somebody sets another before the loop begins.
        resolver: Resolver,

        const RingShared = @This();
        pub const Sockets = socket_of.SocketsType(IO);
        pub const DnsResolver = dns_resolver.DnsResolverType(IO);

        pub fn create(allocator: std.mem.Allocator, options: Options) !*RingShared {
            const rs = try allocator.create(RingShared);
            errdefer allocator.destroy(rs);
            var registry: IORegistry = try .init(allocator, @intCast(options.outgoing + options.registrations));
            errdefer registry.deinit(allocator);
            var invoke: invoker_of.InvokerType(IO) = try .init(allocator, options.invokes);
            errdefer invoke.deinit(allocator);
            rs.* = .{
                .allocator = allocator,
                .registry = registry,
                .invoke = invoke,
                .sockets = try .init(allocator, .{ .count = options.outgoing }),
                .dns = undefined,
                .resolver = undefined,
            };
            errdefer rs.sockets.deinit(allocator);
            rs.dns = try .create(allocator, &rs.sockets, options.dns);
            rs.resolver = rs.dns.resolver();
            return rs;
        }

        /// After the ring itself is gone: the kernel may have had the sockets' buffers until then.
        pub fn destroy(rs: *RingShared) void {
            const allocator = rs.allocator;
            rs.dns.destroy();
            rs.sockets.deinit(allocator);
            rs.invoke.deinit(allocator);
            rs.registry.deinit(allocator);
            allocator.destroy(rs);
        }

        /// The calling thread becomes the ring's, whose place doesn't change any more.
        pub fn begin(rs: *RingShared, ring: *IO) void {
            rs.io_tid = std.Thread.getCurrentId();
            rs.ring = ring;
            rs.sockets.ring = ring;
            rs.sockets.registry = &rs.registry;
            rs.sockets.timers = &rs.timers;
            rs.dns.begin(ring);
            rs.invoke.ring.store(ring, .seq_cst);
            // For what was pushed before.
            ring.wake();
        }

        pub fn isOnThread(rs: *const RingShared) bool {
            return rs.ring != null and rs.io_tid == std.Thread.getCurrentId();
        }

        fn assertThread(rs: *const RingShared) void {
            if (rs.ring == null) @panic("the loop has not begun: there is no ring yet");
            if (!rs.isOnThread()) @panic("a ring belongs to its loop's thread: come by invoke.push from others");
        }

        pub fn ringPtr(rs: *const RingShared) *IO {
            rs.assertThread();
            return rs.ring.?;
        }

        pub fn registryPtr(rs: *RingShared) *IORegistry {
            rs.assertThread();
            return &rs.registry;
        }

        /// Milliseconds of the ring's clock.
        pub fn now_ms(rs: *const RingShared) u64 {
            return rs.ringPtr().monotonic_ms();
        }

        /// In every turn of the loop, after its events: calls from other threads, and what takes too long.
        pub fn tick(rs: *RingShared, time_ms: u64) void {
            rs.invoke.drain(rs.allocator);
            rs.timers.tick(time_ms);
            rs.resolver.tick(time_ms);
        }

        /// When `tick` has something to do by itself.
        pub fn nextDeadline(rs: *const RingShared) u64 {
            return @min(rs.timers.next_ms, rs.resolver.nextDeadline());
        }

        /// The loop ends: all connections are closed, and their owners told.
        pub fn closeAll(rs: *RingShared) void {
            rs.sockets.closeAll();
        }

        pub fn isIdle(rs: *const RingShared) bool {
            return rs.sockets.used() == 0;
        }
    };
}
