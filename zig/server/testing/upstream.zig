//! A server for tests of what goes out: it blocks, on a thread of its own, one connection after the other.

const std = @import("std");
const skipped = @import("skipped.zig");
const linux = std.os.linux;

/// What a peer waits for bytes before its test fails.
const timeout_seconds = 20;

pub const Upstream = struct {
    listener: linux.fd_t,
    port: u16,
    thread: std.Thread = undefined,
    serve: *const fn (peer: Peer, upstream: *Upstream) anyerror!void,
    connections: std.atomic.Value(u32) = .init(0),
    stopping: std.atomic.Value(bool) = .init(false),
    failure: ?anyerror = null,
    /// Whatever the test's function needs.
    context: ?*anyopaque = null,

    pub fn create(serve: *const fn (peer: Peer, upstream: *Upstream) anyerror!void) !*Upstream {
        // Nobody would come, and a test that is skipped later leaves this behind: qemu has no rings.
        var params = std.mem.zeroInit(linux.io_uring_params, .{});
        const ring = linux.io_uring_setup(1, &params);
        if (linux.errno(ring) != .SUCCESS) return skipped.forWantOfRing();
        _ = linux.close(@intCast(ring));
        const listener = try socket(linux.SOCK.STREAM);
        errdefer _ = linux.close(listener);
        const port = try bindLocal(listener, 0);
        if (linux.errno(linux.listen(listener, 16)) != .SUCCESS) return error.Unexpected;
        const upstream = try std.testing.allocator.create(Upstream);
        upstream.* = .{ .listener = listener, .port = port, .serve = serve };
        return upstream;
    }

    pub fn start(upstream: *Upstream) !void {
        upstream.thread = try .spawn(.{}, run, .{upstream});
    }

    fn run(upstream: *Upstream) void {
        while (true) {
            const rc = linux.accept4(upstream.listener, null, null, linux.SOCK.CLOEXEC);
            if (linux.errno(rc) != .SUCCESS) return;
            const peer: Peer = .{ .fd = @intCast(rc) };
            defer _ = linux.close(peer.fd);
            const timeout: linux.timeval = .{ .sec = timeout_seconds, .usec = 0 };
            _ = linux.setsockopt(peer.fd, linux.SOL.SOCKET, linux.SO.RCVTIMEO, std.mem.asBytes(&timeout), @sizeOf(linux.timeval));
            if (upstream.stopping.load(.acquire)) return;
            _ = upstream.connections.fetchAdd(1, .acq_rel);
            upstream.serve(peer, upstream) catch |err| {
                upstream.failure = err;
            };
        }
    }

    pub fn finish(upstream: *Upstream) !void {
        upstream.stopping.store(true, .release);
        _ = linux.shutdown(upstream.listener, linux.SHUT.RDWR);
        upstream.thread.join();
        _ = linux.close(upstream.listener);
        defer std.testing.allocator.destroy(upstream);
        if (upstream.failure) |err| return err;
    }
};

/// The far end of a connection.
pub const Peer = struct {
    fd: linux.fd_t,

    pub fn send(peer: Peer, bytes: []const u8) !void {
        var rest = bytes;
        while (rest.len > 0) {
            const rc = linux.sendto(peer.fd, rest.ptr, rest.len, linux.MSG.NOSIGNAL, null, 0);
            if (linux.errno(rc) != .SUCCESS) return error.ConnectionReset;
            rest = rest[rc..];
        }
    }

    /// None at the end of the stream.
    pub fn receive(peer: Peer, into: []u8) ![]u8 {
        const rc = linux.recvfrom(peer.fd, into.ptr, into.len, 0, null, null);
        if (linux.errno(rc) != .SUCCESS) return error.ConnectionReset;
        return into[0..rc];
    }

    pub fn receiveExactly(peer: Peer, into: []u8) !void {
        var at: usize = 0;
        while (at < into.len) {
            const some = try peer.receive(into[at..]);
            if (some.len == 0) return error.EndOfStream;
            at += some.len;
        }
    }

    /// Until the bytes end with these, and none of those behind.
    pub fn receiveUntil(peer: Peer, into: []u8, end: []const u8) ![]u8 {
        var len: usize = 0;
        while (!std.mem.endsWith(u8, into[0..len], end)) : (len += 1) try peer.receiveExactly(into[len..][0..1]);
        return into[0..len];
    }

    /// The next piece that ends so, or null once there is none.
    pub fn next(peer: Peer, into: []u8, end: []const u8) ?[]u8 {
        return peer.receiveUntil(into, end) catch null;
    }

    /// The close that follows is a reset.
    pub fn resetOnClose(peer: Peer) void {
        const linger = extern struct { on: c_int, seconds: c_int }{ .on = 1, .seconds = 0 };
        _ = linux.setsockopt(peer.fd, linux.SOL.SOCKET, linux.SO.LINGER, std.mem.asBytes(&linger), 8);
    }
};

pub fn socket(kind: u32) !linux.fd_t {
    const rc = linux.socket(linux.AF.INET, kind | linux.SOCK.CLOEXEC, 0);
    if (linux.errno(rc) != .SUCCESS) return error.Unexpected;
    return @intCast(rc);
}

/// The port that it got: a free one for 0.
pub fn bindLocal(fd: linux.fd_t, port: u16) !u16 {
    var address: linux.sockaddr.in = .{ .port = std.mem.nativeToBig(u16, port), .addr = @bitCast([4]u8{ 127, 0, 0, 1 }) };
    var len: linux.socklen_t = @sizeOf(linux.sockaddr.in);
    if (linux.errno(linux.bind(fd, @ptrCast(&address), len)) != .SUCCESS) return error.AddressInUse;
    if (linux.errno(linux.getsockname(fd, @ptrCast(&address), &len)) != .SUCCESS) return error.Unexpected;
    return std.mem.bigToNative(u16, address.port);
}

/// Somebody who is too busy to accept: whoever connects hears nothing.
pub const Full = struct {
    listener: linux.fd_t,
    waiting: [4]linux.fd_t,
    port: u16,

    pub fn create() !Full {
        const listener = try socket(linux.SOCK.STREAM);
        const port = try bindLocal(listener, 0);
        if (linux.errno(linux.listen(listener, 0)) != .SUCCESS) return error.Unexpected;
        var full: Full = .{ .listener = listener, .waiting = undefined, .port = port };
        const address: linux.sockaddr.in = .{ .port = std.mem.nativeToBig(u16, port), .addr = @bitCast([4]u8{ 127, 0, 0, 1 }) };
        for (&full.waiting) |*fd| {
            fd.* = try socket(linux.SOCK.STREAM | linux.SOCK.NONBLOCK);
            _ = linux.connect(fd.*, &address, @sizeOf(linux.sockaddr.in));
        }
        return full;
    }

    pub fn close(full: *const Full) void {
        for (full.waiting) |fd| _ = linux.close(fd);
        _ = linux.close(full.listener);
    }
};

/// A port where nobody listens.
pub fn closedPort() !u16 {
    const fd = try socket(linux.SOCK.STREAM);
    defer _ = linux.close(fd);
    return bindLocal(fd, 0);
}

pub fn sleepMs(milliseconds: u64) void {
    const time: linux.timespec = .{ .sec = 0, .nsec = @intCast(milliseconds * std.time.ns_per_ms) };
    _ = linux.nanosleep(&time, null);
}
