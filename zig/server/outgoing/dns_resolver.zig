//! A stub resolver on the loop's thread: literals, /etc/hosts, a cache with the answers' own times, and the servers of
//! /etc/resolv.conf over UDP, and over TCP what is too long for it. A and AAAA are asked at the same time. Who wants a name that
//! is being looked up waits for the same answer: a pool that opens its connections at once asks once.
//!
//! Against forged answers (RFC 5452): each question has a socket of its own, so a port that the kernel draws, and takes
//! answers from the server alone; its id is random; and an answer has to repeat the question. After a few that don't, the
//! question goes over TCP.

const std = @import("std");
const assert = std.debug.assert;
const dns = @import("../protocol/dns.zig");
const io_of = @import("../io.zig");
const pages = @import("../pages.zig");
const resolver_of = @import("resolver.zig");
const socket_of = @import("socket.zig");
const timers_of = @import("timers.zig");
const system_files = @import("system_files.zig");
const Addresses = resolver_of.Addresses;
const Failure = resolver_of.Failure;
const Outcome = resolver_of.Outcome;
const Resolved = resolver_of.Resolved;
const Resolver = resolver_of.Resolver;
const Ticket = resolver_of.Ticket;
const Waiter = resolver_of.Waiter;

pub const Config = struct {
    /// Read once, at the start.
    resolv_conf: system_files.Source = .{ .path = "/etc/resolv.conf" },
    hosts: system_files.Source = .{ .path = "/etc/hosts" },
    port: u16 = 53,
    /// Names that are looked up at once. Each has two sockets at most.
    lookups_max: u16 = 32,
    /// Those who wait for them, several for one name.
    waits_max: u16 = 256,
    /// For one server's answer. Null takes resolv.conf's, or its 5 s.
    timeout_ms: ?u32 = null,
};

/// Answers that are kept.
const cache_capacity = 256;

/// Answers to other questions, before it looks like somebody guessing ids.
const strangers_max = 8;

/// How long an answer of the other family is waited for once there is one: a server that ignores AAAA must not cost its
/// time-outs. RFC 8305 has 50 ms for who is connected nearby.
const patience_ms = 250;

/// The longest message over TCP, and the length before it.
const tcp_bytes_max = 2 + std.math.maxInt(u16);

pub const Stats = struct {
    asked: u64 = 0,
    asked_over_tcp: u64 = 0,
    cached: u64 = 0,
    /// Of those, names that are not there or have no address of the type.
    known_absent: u64 = 0,
    /// Who waits for a name that another one had asked for.
    joined: u64 = 0,
    /// Messages that didn't answer the question that was asked.
    strangers: u64 = 0,
};

pub fn DnsResolverType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        sockets: *Sockets,
        config: Config,
        resolv: dns.Resolv,
        resolv_text: []u8,
        hosts_text: []u8,
        cache: dns.Cache(cache_capacity) = .{},
        lookups: []Lookup,
        waits: []Wait,
        tellings: u64 = 0,
        tcp_memory: []u8,
        stats: Stats = .{},

        const DnsResolver = @This();
        const Sockets = socket_of.SocketsType(IO);
        const Socket = Sockets.Socket;

        /// One question: a name and a type.
        const Leg = struct {
            lookup: *Lookup,
            type: dns.Type,
            tcp_buffer: []u8,
            tcp_len: usize = 0,
            socket: ?*Socket = null,
            is_done: bool = true,
            is_tcp: bool = false,
            /// No other server is asked afterwards.
            is_last: bool = false,
            id: u16 = 0,
            asked: u32 = 0,
            strangers: u32 = 0,
            answer: dns.Answer = .{},
            failure: ?Failure = null,
        };

        const Lookup = struct {
            resolver: *DnsResolver,
            is_taken: bool = false,
            name_buffer: [name_bytes_max]u8 = undefined,
            name_len: usize = 0,
            /// Which of the names it may stand for, and that one.
            candidate: usize = 0,
            asked_buffer: [name_bytes_max]u8 = undefined,
            asked_len: usize = 0,
            /// One of them is there, without an address.
            has_name: bool = false,
            legs: [2]Leg,

            fn name(lookup: *const Lookup) []const u8 {
                return lookup.name_buffer[0..lookup.name_len];
            }

            pub fn asked(lookup: *const Lookup) []const u8 {
                return lookup.asked_buffer[0..lookup.asked_len];
            }
        };

        /// Somebody who waits for a lookup.
        const Wait = struct {
            is_taken: bool = false,
            generation: u32 = 0,
            waiter: Waiter = undefined,
            /// Null once it has an outcome, which this telling tells.
            lookup: ?*Lookup = null,
            telling: u64 = 0,
        };

        pub fn create(allocator: std.mem.Allocator, sockets: *Sockets, config: Config) !*DnsResolver {
            const resolv_text = try system_files.read(allocator, config.resolv_conf);
            errdefer allocator.free(resolv_text);
            const hosts_text = try system_files.read(allocator, config.hosts);
            errdefer allocator.free(hosts_text);
            const lookups = try allocator.alloc(Lookup, config.lookups_max);
            errdefer allocator.free(lookups);
            const waits = try allocator.alloc(Wait, config.waits_max);
            errdefer allocator.free(waits);
            @memset(waits, .{});
            const memory = try pages.reserve(u8, @as(usize, 2) * tcp_bytes_max * config.lookups_max);
            errdefer pages.release(u8, memory);
            const self = try allocator.create(DnsResolver);
            for (lookups, 0..) |*lookup, i| {
                const buffers = memory[2 * tcp_bytes_max * i ..][0 .. 2 * tcp_bytes_max];
                lookup.* = .{ .resolver = self, .legs = .{
                    .{ .lookup = lookup, .type = .aaaa, .tcp_buffer = buffers[0..tcp_bytes_max] },
                    .{ .lookup = lookup, .type = .a, .tcp_buffer = buffers[tcp_bytes_max..] },
                } };
            }
            self.* = .{
                .allocator = allocator,
                .sockets = sockets,
                .config = config,
                .resolv = dns.parseResolv(resolv_text),
                .resolv_text = resolv_text,
                .hosts_text = hosts_text,
                .lookups = lookups,
                .waits = waits,
                .tcp_memory = memory,
            };
            return self;
        }

        pub fn destroy(self: *DnsResolver) void {
            const allocator = self.allocator;
            pages.release(u8, self.tcp_memory);
            allocator.free(self.waits);
            allocator.free(self.lookups);
            allocator.free(self.hosts_text);
            allocator.free(self.resolv_text);
            allocator.destroy(self);
        }

        /// On the loop's thread, before the first lookup.
        pub fn begin(self: *DnsResolver, ring: *IO) void {
            var seed: [8]u8 = undefined;
            ring.randomBytes(&seed);
            self.cache.seed = std.mem.bytesToValue(u64, &seed);
        }

        /// As the clients want it.
        pub fn resolver(self: *DnsResolver) Resolver {
            return .{ .ptr = self, .functions = &.{
                .resolve = resolveErased,
                .cancel = cancelErased,
                .tick = tickErased,
                .nextDeadline = nextDeadlineErased,
            } };
        }

        fn resolveErased(ptr: *anyopaque, name: []const u8, waiter: Waiter) Failure!Resolved {
            const self: *DnsResolver = @ptrCast(@alignCast(ptr));
            return self.resolve(name, waiter);
        }

        fn cancelErased(ptr: *anyopaque, ticket: Ticket) void {
            const self: *DnsResolver = @ptrCast(@alignCast(ptr));
            self.cancel(ticket);
        }

        /// Each question's time is its socket's.
        fn tickErased(_: *anyopaque, _: u64) void {}

        fn nextDeadlineErased(_: *anyopaque) u64 {
            return timers_of.never;
        }

        /// The addresses of a name, those of IPv6 first, or of an address as people write it.
        pub fn resolve(self: *DnsResolver, name: []const u8, waiter: Waiter) Failure!Resolved {
            var found: Addresses = .{};
            if (dns.parseAddress(name)) |address| {
                found.append(&.{address});
                return .{ .now = found };
            }
            self.fromHosts(name, &found);
            if (found.len > 0) return .{ .now = found };
            if (name.len == 0 or name.len > name_bytes_max) return error.InvalidName;
            const wait = for (self.waits) |*wait| {
                if (!wait.is_taken) break wait;
            } else return error.TooManyLookups;
            for (self.lookups) |*lookup| {
                if (!lookup.is_taken or !std.ascii.eqlIgnoreCase(lookup.name(), name)) continue;
                self.stats.joined += 1;
                return .{ .later = self.waitFor(lookup, wait, waiter) };
            }
            const lookup = for (self.lookups) |*lookup| {
                if (!lookup.is_taken) break lookup;
            } else return error.TooManyLookups;
            lookup.is_taken = true;
            @memcpy(lookup.name_buffer[0..name.len], name);
            lookup.name_len = name.len;
            lookup.candidate = 0;
            lookup.has_name = false;
            for (&lookup.legs) |*leg| leg.is_done = true;
            if (!self.nextCandidate(lookup)) {
                lookup.is_taken = false;
                return error.InvalidName;
            }
            if (self.settle(lookup)) |outcome| {
                lookup.is_taken = false;
                return .{ .now = try outcome };
            }
            return .{ .later = self.waitFor(lookup, wait, waiter) };
        }

        fn waitFor(self: *DnsResolver, lookup: *Lookup, wait: *Wait, waiter: Waiter) Ticket {
            wait.* = .{ .is_taken = true, .generation = wait.generation +% 1, .waiter = waiter, .lookup = lookup };
            return .{ .index = @intCast(wait - self.waits.ptr), .generation = wait.generation };
        }

        pub fn cancel(self: *DnsResolver, ticket: Ticket) void {
            const wait = &self.waits[ticket.index];
            if (!wait.is_taken or wait.generation != ticket.generation) return;
            wait.is_taken = false;
            const lookup = wait.lookup orelse return;
            for (self.waits) |*other| if (other.is_taken and other.lookup == lookup) return;
            // Nobody is left who wants it.
            for (&lookup.legs) |*leg| endLeg(leg);
            lookup.is_taken = false;
        }

        /// All who wait, of whom each may ask again, or cancel another one.
        fn tell(self: *DnsResolver, lookup: *Lookup, outcome: *const Outcome) void {
            self.tellings += 1;
            const telling = self.tellings;
            for (self.waits) |*wait| {
                if (!wait.is_taken or wait.lookup != lookup) continue;
                wait.lookup = null;
                wait.telling = telling;
            }
            lookup.is_taken = false;
            for (self.waits) |*wait| {
                if (!wait.is_taken or wait.lookup != null or wait.telling != telling) continue;
                wait.is_taken = false;
                wait.waiter.on(wait.waiter.ptr, outcome);
            }
        }

        pub fn pending(self: *const DnsResolver) usize {
            var count: usize = 0;
            for (self.lookups) |*lookup| count += @intFromBool(lookup.is_taken);
            for (self.waits) |*wait| count += @intFromBool(wait.is_taken);
            return count;
        }

        fn fromHosts(self: *const DnsResolver, name: []const u8, found: *Addresses) void {
            var room: [dns.addresses_max]dns.Address = undefined;
            found.append(dns.lookupHosts(self.hosts_text, name, .ipv6, &room));
            found.append(dns.lookupHosts(self.hosts_text, name, .ipv4, &room));
            if (found.len > 0) return;
            // RFC 6761 6.3: no server is asked for it.
            const undotted = std.mem.trimEnd(u8, name, ".");
            const is_local = std.ascii.eqlIgnoreCase(undotted, "localhost") or std.ascii.endsWithIgnoreCase(undotted, ".localhost");
            if (is_local) found.append(&.{ .{ .ipv6 = .{0} ** 15 ++ .{1} }, .{ .ipv4 = .{ 127, 0, 0, 1 } } });
        }

        /// The names in the order that resolv.conf(5) has: with few dots the search list first. False when there are no more.
        fn nextCandidate(self: *DnsResolver, lookup: *Lookup) bool {
            const name = lookup.name();
            const is_whole = std.mem.endsWith(u8, name, ".");
            const search = if (is_whole) &.{} else self.resolv.searchSlice();
            const plain_at: usize = if (std.mem.countScalar(u8, name, '.') >= self.resolv.ndots) 0 else search.len;
            while (lookup.candidate <= search.len) {
                const at = lookup.candidate;
                lookup.candidate += 1;
                const domain = if (at == plain_at) "" else search[if (at > plain_at) at - 1 else at];
                const undotted = std.mem.trimEnd(u8, domain, ".");
                const text = std.fmt.bufPrint(&lookup.asked_buffer, "{s}{s}{s}", .{ name, if (undotted.len > 0) "." else "", undotted }) catch continue;
                lookup.asked_len = text.len;
                var query: [dns.query_bytes_max]u8 = undefined;
                _ = dns.writeQuery(&query, .{ .id = 0, .name = text, .type = .a }) catch continue;
                for (&lookup.legs) |*leg| self.startLeg(leg);
                return true;
            }
            return false;
        }

        fn startLeg(self: *DnsResolver, leg: *Leg) void {
            leg.* = .{ .lookup = leg.lookup, .type = leg.type, .tcp_buffer = leg.tcp_buffer, .is_done = false };
            const now_ms = self.sockets.ring.monotonic_ms();
            if (self.cache.get(.{ .name = leg.lookup.asked(), .type = leg.type }, now_ms)) |answer| {
                self.stats.cached += 1;
                self.stats.known_absent += @intFromBool(answer.len == 0);
                leg.answer = answer.*;
                leg.is_done = true;
                return;
            }
            self.ask(leg);
        }

        /// The next server, or the end.
        fn ask(self: *DnsResolver, leg: *Leg) void {
            const servers = self.resolv.serverSlice();
            while (leg.asked < servers.len * self.resolv.attempts and !leg.is_last) {
                const server = servers[leg.asked % servers.len];
                leg.asked += 1;
                leg.strangers = 0;
                leg.is_tcp = false;
                if (self.send(leg, server)) return;
            }
            if (leg.failure == null) leg.failure = error.TimedOut;
            leg.is_done = true;
        }

        fn askOverTcp(self: *DnsResolver, leg: *Leg) void {
            endLeg(leg);
            leg.is_done = false;
            leg.is_tcp = true;
            leg.tcp_len = 0;
            self.stats.asked_over_tcp += 1;
            const servers = self.resolv.serverSlice();
            if (!self.send(leg, servers[(leg.asked - 1) % servers.len])) self.ask(leg);
        }

        fn send(self: *DnsResolver, leg: *Leg, server: dns.Address) bool {
            const ring = self.sockets.ring;
            ring.randomBytes(std.mem.asBytes(&leg.id));
            var buffer: [2 + dns.query_bytes_max]u8 = undefined;
            const query = dns.writeQuery(buffer[2..], questionOf(leg)) catch unreachable;
            std.mem.writeInt(u16, buffer[0..2], @intCast(query.len), .big);
            const timeout_ms = self.config.timeout_ms orelse @as(u64, self.resolv.timeout_seconds) * std.time.ms_per_s;
            const owner: Socket.Owner = .{ .ptr = leg, .on = onSocket };
            const deadline_ms = ring.monotonic_ms() + timeout_ms;
            const kind: io_of.Kind = if (leg.is_tcp) .stream else .datagram;
            const socket = self.sockets.open(kind, .of(server, self.config.port), owner, deadline_ms) catch |err| {
                leg.failure = switch (err) {
                    error.SystemResources, error.TooManySockets, error.Stopping => error.SystemResources,
                    error.FamilyUnsupported, error.Unexpected => error.ServerFailure,
                };
                return false;
            };
            leg.socket = socket;
            self.stats.asked += 1;
            // An empty queue has room for a query.
            socket.write(if (leg.is_tcp) buffer[0 .. 2 + query.len] else query) catch unreachable;
            return true;
        }

        fn questionOf(leg: *const Leg) dns.Question {
            return .{ .id = leg.id, .name = leg.lookup.asked(), .type = leg.type };
        }

        fn onSocket(ptr: *anyopaque, _: *Socket, what: Socket.What) void {
            const leg: *Leg = @ptrCast(@alignCast(ptr));
            const self = leg.lookup.resolver;
            switch (what) {
                .connected, .drained => return,
                .ended => |failure| {
                    leg.socket = null;
                    // ServerFailure: nobody listens there, for one.
                    leg.failure = if (failure == error.TimedOut) error.TimedOut else error.ServerFailure;
                    self.ask(leg);
                },
                .data => |bytes| if (leg.is_tcp) self.onTcp(leg, bytes) else self.onMessage(leg, bytes),
            }
            if (self.settle(leg.lookup)) |outcome| self.tell(leg.lookup, &outcome);
        }

        fn onTcp(self: *DnsResolver, leg: *Leg, bytes: []const u8) void {
            // What is behind the answer nobody asked for.
            const count = @min(bytes.len, leg.tcp_buffer.len - leg.tcp_len);
            @memcpy(leg.tcp_buffer[leg.tcp_len..][0..count], bytes[0..count]);
            leg.tcp_len += count;
            if (leg.tcp_len < 2) return;
            const len = std.mem.readInt(u16, leg.tcp_buffer[0..2], .big);
            if (leg.tcp_len < 2 + @as(usize, len)) return;
            self.onMessage(leg, leg.tcp_buffer[2..][0..len]);
        }

        fn onMessage(self: *DnsResolver, leg: *Leg, bytes: []const u8) void {
            const answer = dns.readAnswer(bytes, questionOf(leg)) catch |err| switch (err) {
                error.NotTheAnswer => {
                    self.stats.strangers += 1;
                    leg.strangers += 1;
                    if (leg.is_tcp) return self.nextServer(leg, error.ServerFailure);
                    if (leg.strangers == strangers_max) self.askOverTcp(leg);
                    return;
                },
                error.Truncated => return if (leg.is_tcp) self.nextServer(leg, error.ServerFailure) else self.askOverTcp(leg),
                error.Malformed, error.ServerFailure, error.Refused, error.CnameChain => return self.nextServer(leg, error.ServerFailure),
            };
            leg.answer = answer;
            leg.failure = null;
            self.cache.put(.{ .name = leg.lookup.asked(), .type = leg.type }, &answer, self.sockets.ring.monotonic_ms());
            endLeg(leg);
        }

        fn nextServer(self: *DnsResolver, leg: *Leg, failure: Failure) void {
            endLeg(leg);
            leg.is_done = false;
            leg.failure = failure;
            self.ask(leg);
        }

        fn endLeg(leg: *Leg) void {
            if (leg.socket) |socket| socket.close();
            leg.socket = null;
            leg.is_done = true;
        }

        /// The outcome, if there is one already.
        fn settle(self: *DnsResolver, lookup: *Lookup) ?Outcome {
            while (true) {
                for (&lookup.legs, 0..) |*leg, i| {
                    if (leg.is_done) continue;
                    const other = &lookup.legs[1 - i];
                    if (other.is_done and other.answer.len > 0) {
                        leg.is_last = true;
                        const soon_ms = self.sockets.ring.monotonic_ms() + patience_ms;
                        if (leg.socket) |socket| socket.setDeadline(@min(socket.deadline(), soon_ms));
                    }
                    return null;
                }
                var found: Addresses = .{};
                for (&lookup.legs) |*leg| found.append(leg.answer.slice());
                if (found.len > 0) return found;
                // A name that isn't there has no address of either family.
                if (!lookup.legs[0].answer.no_such_name and !lookup.legs[1].answer.no_such_name) {
                    for (&lookup.legs) |*leg| if (leg.failure) |failure| return failure;
                    lookup.has_name = true;
                }
                if (!self.nextCandidate(lookup)) return if (lookup.has_name) error.NoAddress else error.NoSuchName;
            }
        }
    };
}

/// As people write it: RFC 1035's 255 bytes on the wire, less the first length, and with a dot at its end.
const name_bytes_max = 254;
