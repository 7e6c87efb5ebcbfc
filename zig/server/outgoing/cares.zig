//! Names by c-ares instead of the built-in resolver: for whoever has it already, with its options.
//! Programs that use it link it (`linkSystemLibrary("cares")`, and libc); nobody else needs it.
//!
//! ```
//! const cares: *sws.HttpCaresDns = try .create(allocator, ring.rs, .{});
//! defer cares.destroy();
//! ring.rs.resolver = cares.resolver();      // before the loop begins
//! ```
//!
//! c-ares opens its sockets itself and says what it waits for on them; the ring polls them, and its completions tell.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const dns = @import("../protocol/dns.zig");
const io_of = @import("../io.zig");
const resolver_of = @import("resolver.zig");
const ring_shared = @import("ring_shared.zig");
const timers_of = @import("timers.zig");
const Failure = resolver_of.Failure;
const IORegistry = @import("registry.zig").IORegistry;
const Outcome = resolver_of.Outcome;
const Resolved = resolver_of.Resolved;
const Resolver = resolver_of.Resolver;
const Ticket = resolver_of.Ticket;
const Waiter = resolver_of.Waiter;

/// Of c-ares 1.16 and later, whose ABI only grows.
const c = struct {
    const Channel = opaque {};
    const bad_socket: c_int = -1;
    const SockState = *const fn (data: ?*anyopaque, fd: c_int, readable: c_int, writable: c_int) callconv(.c) void;
    const AddrinfoCallback = *const fn (arg: ?*anyopaque, status: c_int, timeouts: c_int, result: ?*Addrinfo) callconv(.c) void;

    const Options = extern struct {
        flags: c_int = 0,
        timeout: c_int = 0,
        tries: c_int = 0,
        ndots: c_int = 0,
        udp_port: c_ushort = 0,
        tcp_port: c_ushort = 0,
        socket_send_buffer_size: c_int = 0,
        socket_receive_buffer_size: c_int = 0,
        servers: ?*anyopaque = null,
        nservers: c_int = 0,
        domains: ?*anyopaque = null,
        ndomains: c_int = 0,
        lookups: ?*anyopaque = null,
        sock_state_cb: ?SockState = null,
        sock_state_cb_data: ?*anyopaque = null,
        /// Later fields, which the mask leaves out.
        rest: [256]u8 = @splat(0),

        const timeout_ms = 1 << 13;
        const tries_set = 1 << 2;
        const sock_state = 1 << 9;
    };

    const Hints = extern struct { flags: c_int = 0, family: c_int, socktype: c_int, protocol: c_int = 0 };
    const Addrinfo = extern struct { cnames: ?*anyopaque, nodes: ?*Node };
    const Node = extern struct {
        ttl: c_int,
        flags: c_int,
        family: c_int,
        socktype: c_int,
        protocol: c_int,
        addrlen: c_uint,
        addr: ?*linux.sockaddr,
        next: ?*Node,
    };

    extern fn ares_library_init(flags: c_int) c_int;
    extern fn ares_init_options(channel: *?*Channel, options: *Options, mask: c_int) c_int;
    extern fn ares_destroy(channel: *Channel) void;
    extern fn ares_set_servers_ports_csv(channel: *Channel, csv: [*:0]const u8) c_int;
    extern fn ares_getaddrinfo(channel: *Channel, name: [*:0]const u8, service: ?[*:0]const u8, hints: *const Hints, callback: AddrinfoCallback, arg: ?*anyopaque) void;
    extern fn ares_freeaddrinfo(info: *Addrinfo) void;
    extern fn ares_process_fd(channel: *Channel, read: c_int, write: c_int) void;
    extern fn ares_timeout(channel: *Channel, most: ?*linux.timeval, room: *linux.timeval) ?*linux.timeval;
};

pub const Config = struct {
    /// Null takes resolv.conf's: `address[:port]`, with commas between several.
    servers: ?[:0]const u8 = null,
    /// Names that are looked up at once.
    lookups_max: u16 = 32,
    timeout_ms: u16 = 2_000,
    attempts: u8 = 3,
};

/// Its sockets at once: one for UDP and one for TCP to each server, of which resolv.conf has three, and some that are ending.
const watches_max = 32;

pub fn HttpCaresDnsType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        rs: *RingShared,
        channel: *c.Channel,
        queries: []Query,
        watches: [watches_max]Watch = undefined,
        next_ms: u64 = timers_of.never,

        const HttpCaresDns = @This();
        const RingShared = ring_shared.RingSharedType(IO);

        const Query = struct {
            cares: *HttpCaresDns,
            is_taken: bool = false,
            generation: u32 = 0,
            /// Null while `resolve` hasn't returned, and for those that nobody waits for any more.
            waiter: ?Waiter = null,
            outcome: ?Outcome = null,
        };

        /// A socket of c-ares's, and what it waits for.
        const Watch = struct {
            cares: *HttpCaresDns,
            fd: c_int = c.bad_socket,
            mask: u32 = 0,
            id: IORegistry.Id = undefined,
            is_armed: bool = false,

            fn arm(watch: *Watch) void {
                const rs = watch.cares.rs;
                watch.is_armed = true;
                rs.ringPtr().poll(watch.fd, watch.mask, rs.registry.userData(watch.id, .socket_poll));
            }

            /// A poll that completes in spite of it is discarded by its old name.
            fn unwatch(watch: *Watch) void {
                const rs = watch.cares.rs;
                if (watch.is_armed) {
                    rs.ringPtr().cancel(rs.registry.userData(watch.id, .socket_poll), rs.registry.userData(watch.id, .cancel));
                }
                rs.registry.unregister(watch.id);
                watch.fd = c.bad_socket;
                watch.is_armed = false;
            }
        };

        /// As the seed has it.
        pub fn init(allocator: std.mem.Allocator, rs: *RingShared) !*HttpCaresDns {
            return create(allocator, rs, .{});
        }

        pub fn create(allocator: std.mem.Allocator, rs: *RingShared, config: Config) !*HttpCaresDns {
            if (c.ares_library_init(1) != 0) return error.CaresFailed;
            const cares = try allocator.create(HttpCaresDns);
            errdefer allocator.destroy(cares);
            const queries = try allocator.alloc(Query, config.lookups_max);
            errdefer allocator.free(queries);
            @memset(queries, .{ .cares = cares });
            var options: c.Options = .{
                .timeout = config.timeout_ms,
                .tries = config.attempts,
                .sock_state_cb = onSockState,
                .sock_state_cb_data = cares,
            };
            var channel: ?*c.Channel = null;
            const mask = c.Options.timeout_ms | c.Options.tries_set | c.Options.sock_state;
            if (c.ares_init_options(&channel, &options, mask) != 0) return error.CaresFailed;
            errdefer c.ares_destroy(channel.?);
            if (config.servers) |servers| if (c.ares_set_servers_ports_csv(channel.?, servers) != 0) return error.CaresFailed;
            cares.* = .{ .allocator = allocator, .rs = rs, .channel = channel.?, .queries = queries };
            @memset(&cares.watches, .{ .cares = cares });
            return cares;
        }

        /// On the loop's thread, before its ring is gone. Nobody who waits is told.
        pub fn destroy(cares: *HttpCaresDns) void {
            for (cares.queries) |*query| query.waiter = null;
            c.ares_destroy(cares.channel);
            const allocator = cares.allocator;
            allocator.free(cares.queries);
            allocator.destroy(cares);
        }

        pub fn resolver(cares: *HttpCaresDns) Resolver {
            return .{ .ptr = cares, .functions = &.{ .resolve = resolve, .cancel = cancel, .tick = tick, .nextDeadline = nextDeadline } };
        }

        fn of(ptr: *anyopaque) *HttpCaresDns {
            return @ptrCast(@alignCast(ptr));
        }

        fn resolve(ptr: *anyopaque, name: []const u8, waiter: Waiter) Failure!Resolved {
            const cares = of(ptr);
            // c-ares gives those of IPv4 twice when it is asked for both families.
            if (dns.parseAddress(name)) |address| {
                var found: resolver_of.Addresses = .{};
                found.append(&.{address});
                return .{ .now = found };
            }
            var buffer: [256]u8 = undefined;
            const text = std.fmt.bufPrintZ(&buffer, "{s}", .{name}) catch return error.InvalidName;
            // C would see another name.
            if (name.len == 0 or std.mem.indexOfScalar(u8, name, 0) != null) return error.InvalidName;
            const query = for (cares.queries) |*query| {
                if (!query.is_taken) break query;
            } else return error.TooManyLookups;
            query.* = .{ .cares = cares, .is_taken = true, .generation = query.generation +% 1 };
            c.ares_getaddrinfo(cares.channel, text, null, &.{ .family = linux.AF.UNSPEC, .socktype = linux.SOCK.STREAM }, onAddrinfo, query);
            cares.readTimeout();
            if (query.outcome) |outcome| {
                query.is_taken = false;
                return .{ .now = try outcome };
            }
            query.waiter = waiter;
            return .{ .later = .{ .index = @intCast(query - cares.queries.ptr), .generation = query.generation } };
        }

        /// c-ares goes on with it by itself, and nobody listens.
        fn cancel(ptr: *anyopaque, ticket: Ticket) void {
            const query = &of(ptr).queries[ticket.index];
            if (query.is_taken and query.generation == ticket.generation) query.waiter = null;
        }

        fn tick(ptr: *anyopaque, now_ms: u64) void {
            const cares = of(ptr);
            if (now_ms < cares.next_ms) return;
            c.ares_process_fd(cares.channel, c.bad_socket, c.bad_socket);
            cares.readTimeout();
        }

        fn nextDeadline(ptr: *anyopaque) u64 {
            return of(ptr).next_ms;
        }

        fn readTimeout(cares: *HttpCaresDns) void {
            var room: linux.timeval = undefined;
            const left = c.ares_timeout(cares.channel, null, &room) orelse {
                cares.next_ms = timers_of.never;
                return;
            };
            const ms = @as(u64, @intCast(left.sec)) * std.time.ms_per_s + @as(u64, @intCast(left.usec)) / std.time.us_per_ms;
            cares.next_ms = cares.rs.now_ms() + ms + 1;
        }

        fn onAddrinfo(arg: ?*anyopaque, status: c_int, _: c_int, result: ?*c.Addrinfo) callconv(.c) void {
            const query: *Query = @ptrCast(@alignCast(arg.?));
            defer if (result) |info| c.ares_freeaddrinfo(info);
            const outcome: Outcome = if (failureOf(status)) |failure| failure else addressesOf(result);
            const waiter = query.waiter orelse {
                // Within `resolve`, which looks at it; a cancelled one is free for the next.
                query.outcome = outcome;
                query.is_taken = false;
                return;
            };
            query.is_taken = false;
            waiter.on(waiter.ptr, &outcome);
        }

        fn addressesOf(result: ?*c.Addrinfo) Outcome {
            var found: resolver_of.Addresses = .{};
            var node = if (result) |info| info.nodes else null;
            while (node) |one| : (node = one.next) {
                const address = one.addr orelse continue;
                switch (one.family) {
                    linux.AF.INET => {
                        const in: *align(2) const linux.sockaddr.in = @ptrCast(@alignCast(address));
                        found.append(&.{.{ .ipv4 = @bitCast(in.addr) }});
                    },
                    linux.AF.INET6 => {
                        const in6: *align(2) const linux.sockaddr.in6 = @ptrCast(@alignCast(address));
                        found.append(&.{.{ .ipv6 = in6.addr }});
                    },
                    else => {},
                }
            }
            return if (found.len > 0) found else error.NoAddress;
        }

        /// What c-ares waits for on one of its sockets; for nothing before it closes that.
        fn onSockState(data: ?*anyopaque, fd: c_int, readable: c_int, writable: c_int) callconv(.c) void {
            const cares = of(data.?);
            // `destroy` closes them when the loop has ended.
            if (!cares.rs.isOnThread()) return;
            var mask: u32 = 0;
            if (readable != 0) mask |= linux.POLL.IN;
            if (writable != 0) mask |= linux.POLL.OUT;
            const watch = cares.watchOf(fd) orelse return if (mask != 0) cares.watchNew(fd, mask);
            if (watch.mask == mask) return;
            watch.unwatch();
            if (mask != 0) cares.watchNew(fd, mask);
        }

        fn watchOf(cares: *HttpCaresDns, fd: c_int) ?*Watch {
            for (&cares.watches) |*watch| if (watch.fd == fd) return watch;
            return null;
        }

        fn watchNew(cares: *HttpCaresDns, fd: c_int, mask: u32) void {
            // Without a place for it the question ends by its time-out, as if the answer were lost.
            const watch = cares.watchOf(c.bad_socket) orelse return;
            const id = cares.rs.registry.register(watch, onPoll) catch return;
            watch.* = .{ .cares = cares, .fd = fd, .mask = mask, .id = id };
            watch.arm();
        }

        fn onPoll(ptr: *anyopaque, event: *const io_of.Event) void {
            const watch: *Watch = @ptrCast(@alignCast(ptr));
            const cares = watch.cares;
            const fd = watch.fd;
            watch.is_armed = false;
            const told: u32 = if (event.failure() == null) @intCast(event.result) else linux.POLL.IN;
            // An error or a hang-up is read.
            const read = if (told & ~@as(u32, linux.POLL.OUT) != 0) fd else c.bad_socket;
            c.ares_process_fd(cares.channel, read, if (told & linux.POLL.OUT != 0) fd else c.bad_socket);
            cares.readTimeout();
            // Another one may have its place by now.
            if (watch.fd == fd and !watch.is_armed) watch.arm();
        }
    };
}

fn failureOf(status: c_int) ?Failure {
    return switch (status) {
        0 => null,
        // ENODATA, ENOTFOUND, EBADNAME, ETIMEOUT, ENOMEM.
        1 => error.NoAddress,
        4 => error.NoSuchName,
        8 => error.InvalidName,
        12 => error.TimedOut,
        15 => error.SystemResources,
        else => error.ServerFailure,
    };
}
