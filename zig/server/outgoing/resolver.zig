//! What the outgoing side wants of whoever finds the addresses of names: `DnsResolver`, which is built in, or
//! `HttpCaresDns`, or one of the application's own.

const dns = @import("../protocol/dns.zig");

pub const Failure = error{
    InvalidName,
    /// There is no such name, and none with a domain of resolv.conf's behind it.
    NoSuchName,
    /// The name is there, and has no address.
    NoAddress,
    /// Servers answered, but none with an answer.
    ServerFailure,
    TimedOut,
    /// Too many names are looked up already.
    TooManyLookups,
    /// Descriptors or memory ran out.
    SystemResources,
};

pub const Addresses = struct {
    list: [max]dns.Address = undefined,
    len: usize = 0,

    /// Of both families.
    pub const max = 2 * dns.addresses_max;

    pub fn slice(addresses: *const Addresses) []const dns.Address {
        return addresses.list[0..addresses.len];
    }

    /// What has no room is left out: nobody tries as many.
    pub fn append(addresses: *Addresses, more: []const dns.Address) void {
        const count = @min(more.len, max - addresses.len);
        @memcpy(addresses.list[addresses.len..][0..count], more[0..count]);
        addresses.len += count;
    }
};

/// The name of a lookup that is under way.
pub const Ticket = struct { index: u32, generation: u32 };

pub const Outcome = Failure!Addresses;

/// Who is told, once, on the loop's thread.
pub const Waiter = struct {
    ptr: *anyopaque,
    on: *const fn (ptr: *anyopaque, outcome: *const Outcome) void,
};

/// At once where nobody has to be asked; the waiter is not told then.
pub const Resolved = union(enum) { now: Addresses, later: Ticket };

pub const Resolver = struct {
    ptr: *anyopaque,
    functions: *const Functions,

    pub const Functions = struct {
        resolve: *const fn (ptr: *anyopaque, name: []const u8, waiter: Waiter) Failure!Resolved,
        /// The waiter hears nothing more.
        cancel: *const fn (ptr: *anyopaque, ticket: Ticket) void,
        tick: *const fn (ptr: *anyopaque, now_ms: u64) void,
        /// When `tick` has something to do by itself.
        nextDeadline: *const fn (ptr: *anyopaque) u64,
    };

    pub fn resolve(resolver: Resolver, name: []const u8, waiter: Waiter) Failure!Resolved {
        return resolver.functions.resolve(resolver.ptr, name, waiter);
    }

    pub fn cancel(resolver: Resolver, ticket: Ticket) void {
        resolver.functions.cancel(resolver.ptr, ticket);
    }

    pub fn tick(resolver: Resolver, now_ms: u64) void {
        resolver.functions.tick(resolver.ptr, now_ms);
    }

    pub fn nextDeadline(resolver: Resolver) u64 {
        return resolver.functions.nextDeadline(resolver.ptr);
    }
};
