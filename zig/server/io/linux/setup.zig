//! How a ring is made: with what this kernel has of what we want.

const std = @import("std");
const linux = std.os.linux;
const IoUring = linux.IoUring;
const SocketAddress = @import("../address.zig").SocketAddress;
const pages = @import("../../pages.zig");

pub const InitError = error{
    /// A seccomp filter or kernel.io_uring_disabled forbids it, or the kernel has none: use another front.
    RingDenied,
    /// The kernel's io_uring lacks multishot receives (Linux 6.0).
    KernelTooOld,
    /// Descriptors or memory ran out.
    SystemResources,
    OutOfMemory,
    Unexpected,
};

/// What a second ring of the same thread shares with this one: its kernel threads, and the loop's sleep.
pub const Parent = struct { ring: linux.fd_t, event: linux.fd_t };

/// SOCKET_URING_OP_SIOCOUTQ of linux/io_uring.h, which Zig's library doesn't have.
pub const socket_uring_op_siocoutq = 1;

/// Newest first: the next is tried when the kernel doesn't know a flag.
const setups = [_]u32{
    // Linux 6.1: the kernel's part of our work runs when we ask for it, and never interrupts us.
    linux.IORING_SETUP_SINGLE_ISSUER | linux.IORING_SETUP_DEFER_TASKRUN,
    // Linux 6.0 has multishot receives, without which we can't do, but no DEFER_TASKRUN.
    linux.IORING_SETUP_SINGLE_ISSUER | linux.IORING_SETUP_COOP_TASKRUN,
};

pub fn setupRing(submissions: u16, completions: u32, beside: ?Parent) InitError!IoUring {
    for (setups) |setup| {
        var params = std.mem.zeroInit(linux.io_uring_params, .{
            // R_DISABLED: `start` says which thread is the single issuer.
            .flags = setup | linux.IORING_SETUP_SUBMIT_ALL | linux.IORING_SETUP_CQSIZE | linux.IORING_SETUP_R_DISABLED |
                if (beside == null) 0 else @as(u32, linux.IORING_SETUP_ATTACH_WQ | linux.IORING_SETUP_TASKRUN_FLAG),
            .wq_fd = if (beside) |other| @as(u32, @intCast(other.ring)) else 0,
            .cq_entries = completions,
        });
        var ring = IoUring.init_params(submissions, &params) catch |err| switch (err) {
            error.ArgumentsInvalid => continue,
            error.PermissionDenied, error.SystemOutdated => return error.RingDenied,
            error.ProcessFdQuotaExceeded, error.SystemFdQuotaExceeded, error.SystemResources => return error.SystemResources,
            else => return error.Unexpected,
        };
        errdefer ring.deinit();
        const needed = linux.IORING_FEAT_EXT_ARG | linux.IORING_FEAT_NODROP | linux.IORING_FEAT_CQE_SKIP;
        if (ring.features & needed != needed) return error.KernelTooOld;
        // Multishot receives have no flag of their own to ask for; SEND_ZC came with the same release.
        const operations = ring.get_probe() catch return error.KernelTooOld;
        if (!operations.is_supported(.SEND_ZC)) return error.KernelTooOld;
        return ring;
    }
    return error.KernelTooOld;
}

/// What the kernel picks descriptors for is what it accepts. (IoUring.register_file_alloc_range passes a count, which the
/// kernel refuses.)
pub fn limitAccepted(ring: *IoUring, count: u32) InitError!void {
    const range: linux.io_uring_file_index_range = .{ .off = 0, .len = count, .resv = 0 };
    const rc = linux.io_uring_register(ring.fd, .REGISTER_FILE_ALLOC_RANGE, &range, 0);
    if (linux.errno(rc) != .SUCCESS) return error.KernelTooOld;
}

pub fn unmapBufferRing(ring: *align(std.heap.page_size_min) linux.io_uring_buf_ring, count: u16) void {
    const entries: [*]linux.io_uring_buf = @ptrCast(ring);
    pages.release(linux.io_uring_buf, entries[0..count]);
}

pub fn registerError(err: anyerror) InitError {
    return switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.UserFdQuotaExceeded, error.ProcessFdQuotaExceeded, error.SystemResources => error.SystemResources,
        error.ArgumentsInvalid => error.KernelTooOld,
        else => error.Unexpected,
    };
}

pub const ListenError = error{ AddressInUse, AddressNotAvailable, AccessDenied, SystemResources, Unexpected };

/// How often an address that is taken is asked for again: for a second in all, so that one whom another program serves is told soon.
const taken_address_attempts = 100;
const taken_address_pause_ns = 10 * std.time.ns_per_ms;

/// A socket that listens already. The kernel ends the ring of a process that was killed, and with it its listener, some time after
/// the process: an address that is given up soon is waited for.
pub fn awaitListener(address: std.Io.net.IpAddress, reuse_port: bool, backlog: u32) ListenError!linux.fd_t {
    for (0..taken_address_attempts) |_| {
        if (openListener(address, reuse_port, backlog)) |fd| return fd else |err| if (err != error.AddressInUse) return err;
        const pause: linux.timespec = .{ .sec = 0, .nsec = taken_address_pause_ns };
        _ = linux.nanosleep(&pause, null);
    }
    return openListener(address, reuse_port, backlog);
}

fn openListener(address: std.Io.net.IpAddress, reuse_port: bool, backlog: u32) ListenError!linux.fd_t {
    var storage: SocketAddress = .init(address);
    const rc = linux.socket(storage.any.family, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, linux.IPPROTO.TCP);
    if (linux.errno(rc) != .SUCCESS) return error.SystemResources;
    const fd: linux.fd_t = @intCast(rc);
    errdefer _ = linux.close(fd);

    try setOption(fd, linux.SOL.SOCKET, linux.SO.REUSEADDR);
    if (reuse_port) try setOption(fd, linux.SOL.SOCKET, linux.SO.REUSEPORT);
    // Accepted sockets inherit it. Answers leave in one piece, so nothing is gained by waiting.
    try setOption(fd, linux.IPPROTO.TCP, linux.TCP.NODELAY);
    switch (linux.errno(linux.bind(fd, &storage.any, storage.len()))) {
        .SUCCESS => {},
        .ADDRINUSE => return error.AddressInUse,
        .ADDRNOTAVAIL => return error.AddressNotAvailable,
        .ACCES => return error.AccessDenied,
        else => return error.Unexpected,
    }
    switch (linux.errno(linux.listen(fd, backlog))) {
        .SUCCESS => {},
        .ADDRINUSE => return error.AddressInUse,
        else => return error.Unexpected,
    }
    return fd;
}

pub fn setOption(fd: linux.fd_t, level: i32, option: u32) error{Unexpected}!void {
    const on: c_int = 1;
    const rc = linux.setsockopt(fd, level, option, std.mem.asBytes(&on), @sizeOf(c_int));
    if (linux.errno(rc) != .SUCCESS) return error.Unexpected;
}
