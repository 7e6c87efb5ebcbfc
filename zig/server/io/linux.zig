//! I/O by io_uring. One `io_uring_enter` a turn submits what was queued, waits, and runs the kernel's deferred work;
//! connections are accepted into the ring's own table of descriptors, and what they send lands in buffers that the kernel
//! picks from a ring of provided ones.
//!
//! One thread owns it, the one that called `start`; only `wake` may be called by others.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const IoUring = linux.IoUring;
const interface = @import("../io.zig");
const pages = @import("../pages.zig");
const BufferId = interface.BufferId;
const Descriptor = interface.Descriptor;
const Event = interface.Event;
const UserData = interface.UserData;

/// Room for all that one turn can queue; a fuller queue is handed over early.
const submissions_max = interface.events_per_turn_max * interface.operations_per_event_max;

/// Completions that may wait for us. More than that the kernel keeps in a list of its own (IORING_FEAT_NODROP), at a cost.
const completions_max = 8192;

/// The group of provided buffers; there is only one.
const buffer_group = 0;

/// Connections that the kernel completes for us before they are accepted. net.core.somaxconn bounds it once more.
const listen_backlog = 4096;

/// Entries of the ring's table beside the connections: those that were accepted in the same turn as the last one allowed,
/// and wait for being closed.
const descriptors_spare = 256;

pub const Linux = struct {
    ring: IoUring,
    listener: linux.fd_t = -1,
    direct: bool,
    event_fd: linux.fd_t,
    /// One more descriptor whose writes end the waiting.
    watched_fd: linux.fd_t = -1,
    /// Written by the kernel when there is something to take, for a loop that waits elsewhere.
    notifier_fd: linux.fd_t = -1,
    /// Where the kernel writes the event's counter.
    event_count: u64 = 0,
    /// Set by the first that wakes, so that only it pays for a system call.
    wake_pending: std.atomic.Value(bool) = .init(false),
    buffer_ring: *align(std.heap.page_size_min) linux.io_uring_buf_ring,
    buffer_memory: []u8,
    buffer_size: u32,
    buffer_count: u16,
    /// Returned since the kernel was last told.
    buffers_returned: u16 = 0,
    buffers_free: u32,
    cqes: [interface.events_per_turn_max]linux.io_uring_cqe = undefined,
    enters: u64 = 0,

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

    /// Whether a ring as we need it can be had here. Says why not by the error.
    pub fn probe() InitError!void {
        var ring = try setupRing(8, 16);
        ring.deinit();
    }

    pub fn init(options: interface.Options) InitError!Linux {
        assert(std.math.isPowerOfTwo(options.buffer_count));
        assert(options.descriptors > 0);
        var ring = try setupRing(submissions_max, completions_max);
        errdefer ring.deinit();
        if (options.direct) ring.register_files_sparse(options.descriptors + descriptors_spare) catch |err| return registerError(err);

        const memory = try pages.reserve(u8, @as(usize, options.buffer_size) * options.buffer_count);
        errdefer pages.release(u8, memory);
        // BufferGroup.init would force incremental buffers, which several receives share.
        const buffer_ring = IoUring.setup_buf_ring(ring.fd, options.buffer_count, buffer_group, .{ .inc = false }) catch |err|
            return registerError(err);
        errdefer unmapBufferRing(buffer_ring, options.buffer_count);
        IoUring.buf_ring_init(buffer_ring);

        const event_fd = linux.eventfd(0, linux.EFD.CLOEXEC);
        if (linux.errno(event_fd) != .SUCCESS) return error.SystemResources;

        var io: Linux = .{
            .ring = ring,
            .direct = options.direct,
            .event_fd = @intCast(event_fd),
            .buffer_ring = buffer_ring,
            .buffer_memory = memory,
            .buffer_size = options.buffer_size,
            .buffer_count = options.buffer_count,
            .buffers_free = 0,
        };
        for (0..options.buffer_count) |id| io.returnBuffer(@intCast(id));
        assert(io.buffers_free == options.buffer_count);
        return io;
    }

    pub fn deinit(io: *Linux) void {
        // The ring first: nothing is written into the buffers afterwards. It can't be asked to let go of them, which only
        // the thread that called `start` may do.
        io.ring.deinit();
        unmapBufferRing(io.buffer_ring, io.buffer_count);
        _ = linux.close(io.event_fd);
        if (io.notifier_fd >= 0) _ = linux.close(io.notifier_fd);
        if (io.listener >= 0) _ = linux.close(io.listener);
        pages.release(u8, io.buffer_memory);
        io.* = undefined;
    }

    /// Makes the calling thread the ring's only one (IORING_SETUP_SINGLE_ISSUER).
    pub fn start(io: *Linux) InitError!void {
        const rc = linux.io_uring_register(io.ring.fd, .REGISTER_ENABLE_RINGS, null, 0);
        switch (linux.errno(rc)) {
            .SUCCESS => {},
            else => return error.Unexpected,
        }
        io.armWake();
    }

    /// An event descriptor that the kernel writes whenever there begins to be something to take, or work that the next
    /// `handOver` has done. The ring's own descriptor tells that too late: the kernel's deferred work doesn't wake who polls it.
    pub fn notifier(io: *Linux) InitError!linux.fd_t {
        if (io.notifier_fd >= 0) return io.notifier_fd;
        const rc = linux.eventfd(0, linux.EFD.CLOEXEC | linux.EFD.NONBLOCK);
        if (linux.errno(rc) != .SUCCESS) return error.SystemResources;
        io.notifier_fd = @intCast(rc);
        io.ring.register_eventfd(io.notifier_fd) catch |err| return registerError(err);
        return io.notifier_fd;
    }

    pub const ListenError = error{ AddressInUse, AddressNotAvailable, AccessDenied, SystemResources, Unexpected };

    /// Port 0 takes a free one; `port` says which. With `reuse_port` several rings share an address.
    pub fn listen(io: *Linux, address: std.Io.net.IpAddress, reuse_port: bool) ListenError!void {
        assert(io.listener == -1);
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
        switch (linux.errno(linux.listen(fd, listen_backlog))) {
            .SUCCESS => {},
            .ADDRINUSE => return error.AddressInUse,
            else => return error.Unexpected,
        }
        io.listener = fd;
    }

    pub fn port(io: *const Linux) u16 {
        var storage: SocketAddress = undefined;
        var length: linux.socklen_t = @sizeOf(SocketAddress);
        const rc = linux.getsockname(io.listener, &storage.any, &length);
        assert(linux.errno(rc) == .SUCCESS);
        return std.mem.bigToNative(u16, storage.in.port);
    }

    /// No connection arrives any more. Those that waited are refused.
    pub fn closeListener(io: *Linux) void {
        if (io.listener < 0) return;
        _ = linux.close(io.listener);
        io.listener = -1;
    }

    pub fn accept(io: *Linux, user_data: UserData) void {
        const sqe = io.submission(user_data);
        if (io.direct) {
            sqe.prep_multishot_accept_direct(io.listener, null, null, 0);
        } else sqe.prep_multishot_accept(io.listener, null, null, linux.SOCK.CLOEXEC);
        sqe.user_data = @bitCast(user_data);
    }

    pub fn receive(io: *Linux, descriptor: Descriptor, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_rw(.RECV, @intCast(descriptor), 0, 0, 0);
        sqe.ioprio = linux.IORING_RECV_MULTISHOT;
        sqe.flags = io.fileFlag() | linux.IOSQE_BUFFER_SELECT;
        sqe.buf_index = buffer_group;
        sqe.user_data = @bitCast(user_data);
    }

    /// The bytes stay as they are until the event.
    pub fn send(io: *Linux, descriptor: Descriptor, bytes: []const u8, user_data: UserData) void {
        assert(bytes.len > 0);
        const sqe = io.submission(user_data);
        sqe.prep_send(@intCast(descriptor), bytes, linux.MSG.NOSIGNAL);
        sqe.flags = io.fileFlag();
        sqe.user_data = @bitCast(user_data);
    }

    /// Several pieces at once. The message and its list stay as they are until the event, too.
    pub fn sendVector(io: *Linux, descriptor: Descriptor, message: *const linux.msghdr_const, user_data: UserData) void {
        assert(message.iovlen > 0);
        const sqe = io.submission(user_data);
        sqe.prep_sendmsg(@intCast(descriptor), message, linux.MSG.NOSIGNAL);
        sqe.flags = io.fileFlag();
        sqe.user_data = @bitCast(user_data);
    }

    /// The peer sees the end of the stream, and may go on sending.
    pub fn shutdown(io: *Linux, descriptor: Descriptor, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_shutdown(@intCast(descriptor), linux.SHUT.WR);
        sqe.flags = io.fileFlag();
        sqe.user_data = @bitCast(user_data);
    }

    /// Ends all operations of the descriptor, each with its event, and frees it.
    pub fn close(io: *Linux, descriptor: Descriptor, user_data: UserData) void {
        if (io.ring.sq_ready() + 2 > io.ring.sq.sqes.len) io.submitNow();
        // An operation keeps its file open: without the cancel a receive that waits would keep the connection.
        const cancel_sqe = io.submission(user_data);
        const is_fixed: u32 = if (io.direct) linux.IORING_ASYNC_CANCEL_FD_FIXED else 0;
        cancel_sqe.prep_cancel_fd(@intCast(descriptor), linux.IORING_ASYNC_CANCEL_ALL | is_fixed);
        cancel_sqe.flags = linux.IOSQE_IO_HARDLINK | linux.IOSQE_CQE_SKIP_SUCCESS;
        var cancel_data = user_data;
        cancel_data.operation = .cancel;
        cancel_sqe.user_data = @bitCast(cancel_data);

        const sqe = io.submission(user_data);
        if (io.direct) sqe.prep_close_direct(descriptor) else sqe.prep_close(@intCast(descriptor));
        sqe.user_data = @bitCast(user_data);
    }

    /// Asks the operation that was queued with `target` to end.
    pub fn cancel(io: *Linux, target: UserData, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_cancel(@bitCast(target), 0);
        sqe.flags = linux.IOSQE_CQE_SKIP_SUCCESS;
        sqe.user_data = @bitCast(user_data);
    }

    pub fn buffer(io: *Linux, id: BufferId) []u8 {
        assert(id < io.buffer_count);
        return io.buffer_memory[@as(usize, id) * io.buffer_size ..][0..io.buffer_size];
    }

    /// The kernel may fill it again.
    pub fn returnBuffer(io: *Linux, id: BufferId) void {
        IoUring.buf_ring_add(io.buffer_ring, io.buffer(id), id, IoUring.buf_ring_mask(io.buffer_count), io.buffers_returned);
        io.buffers_returned += 1;
        io.buffers_free += 1;
        assert(io.buffers_free <= io.buffer_count);
    }

    /// From any thread: ends the waiting of the current or the next `turn`.
    pub fn wake(io: *Linux) void {
        if (io.wake_pending.swap(true, .acq_rel)) return;
        const one: u64 = 1;
        const rc = linux.write(io.event_fd, std.mem.asBytes(&one), @sizeOf(u64));
        assert(linux.errno(rc) == .SUCCESS);
    }

    /// Hands over what was queued and waits until something happened, at most `timeout_ns`; null waits without end.
    pub fn turn(io: *Linux, events: []Event, timeout_ns: ?u64) error{Unexpected}![]Event {
        assert(events.len >= interface.events_per_turn_max);
        try io.handOver(timeout_ns);
        return io.completed(events);
    }

    /// Hands over what was queued, and waits if nothing has happened yet.
    pub fn handOver(io: *Linux, timeout_ns: ?u64) error{Unexpected}!void {
        if (io.buffers_returned > 0) {
            IoUring.buf_ring_advance(io.buffer_ring, io.buffers_returned);
            io.buffers_returned = 0;
        }
        const to_submit = io.ring.flush_sq();
        const ready = io.ring.cq_ready();
        const waits = ready == 0 and (timeout_ns == null or timeout_ns.? > 0);
        if (to_submit > 0 or ready == 0) try io.enter(to_submit, if (waits) 1 else 0, if (waits) timeout_ns else null);
    }

    /// What has happened, without asking the kernel.
    pub fn completed(io: *Linux, events: []Event) error{Unexpected}![]Event {
        const count = io.ring.copy_cqes(&io.cqes, 0) catch return error.Unexpected;
        for (io.cqes[0..count], events[0..count]) |cqe, *event| {
            const has_buffer = cqe.flags & linux.IORING_CQE_F_BUFFER != 0;
            event.* = .{
                .user_data = @bitCast(cqe.user_data),
                .result = cqe.res,
                .buffer = if (has_buffer) @intCast(cqe.flags >> linux.IORING_CQE_BUFFER_SHIFT) else null,
                .more = cqe.flags & linux.IORING_CQE_F_MORE != 0,
            };
            if (has_buffer) io.buffers_free -= 1;
            if (event.user_data.operation == .wake) {
                if (event.user_data.index == 0) {
                    io.wake_pending.store(false, .release);
                    io.armWake();
                } else if (!event.more) io.watch(io.watched_fd);
            }
        }
        return events[0..count];
    }

    /// Milliseconds of a clock that never goes back.
    pub fn monotonic_ms(_: *const Linux) u64 {
        const time = clock(.MONOTONIC);
        return @as(u64, @intCast(time.sec)) * std.time.ms_per_s + @as(u64, @intCast(time.nsec)) / std.time.ns_per_ms;
    }

    /// Seconds since 1970.
    pub fn realtime_seconds(_: *const Linux) u64 {
        return @intCast(clock(.REALTIME).sec);
    }

    fn clock(id: linux.clockid_t) linux.timespec {
        var time: linux.timespec = undefined;
        const rc = linux.clock_gettime(id, &time);
        assert(linux.errno(rc) == .SUCCESS);
        return time;
    }

    fn enter(io: *Linux, to_submit: u32, wait: u32, timeout_ns: ?u64) error{Unexpected}!void {
        var time: linux.kernel_timespec = undefined;
        if (timeout_ns) |ns| time = .{ .sec = @intCast(ns / std.time.ns_per_s), .nsec = @intCast(ns % std.time.ns_per_s) };
        const argument: linux.io_uring_getevents_arg = .{
            .sigmask = 0,
            .sigmask_sz = linux.NSIG / 8,
            .pad = 0,
            .ts = if (timeout_ns != null) @intFromPtr(&time) else 0,
        };
        const rc = linux.syscall6(
            .io_uring_enter,
            @intCast(io.ring.fd),
            to_submit,
            wait,
            linux.IORING_ENTER_GETEVENTS | linux.IORING_ENTER_EXT_ARG,
            @intFromPtr(&argument),
            @sizeOf(linux.io_uring_getevents_arg),
        );
        io.enters += 1;
        switch (linux.errno(rc)) {
            // Time is up, a signal came, or completions are to be taken first: the caller looks at them and comes again.
            .SUCCESS, .TIME, .INTR, .BUSY, .AGAIN => {},
            else => return error.Unexpected,
        }
    }

    /// From now on each write that makes the descriptor readable ends the waiting, as an event of `wake`. Nothing is read.
    pub fn watch(io: *Linux, descriptor: linux.fd_t) void {
        io.watched_fd = descriptor;
        const user_data: UserData = .{ .index = 1, .operation = .wake, .generation = 0 };
        const sqe = io.submission(user_data);
        sqe.prep_poll_add(descriptor, linux.POLL.IN);
        sqe.len = linux.IORING_POLL_ADD_MULTI;
        sqe.user_data = @bitCast(user_data);
    }

    fn fileFlag(io: *const Linux) u8 {
        return if (io.direct) linux.IOSQE_FIXED_FILE else 0;
    }

    fn armWake(io: *Linux) void {
        const user_data: UserData = .{ .index = 0, .operation = .wake, .generation = 0 };
        const sqe = io.submission(user_data);
        sqe.prep_read(io.event_fd, std.mem.asBytes(&io.event_count), 0);
        sqe.user_data = @bitCast(user_data);
    }

    fn submission(io: *Linux, _: UserData) *linux.io_uring_sqe {
        return io.ring.get_sqe() catch {
            io.submitNow();
            return io.ring.get_sqe() catch unreachable;
        };
    }

    /// Before its time: the queue is full.
    fn submitNow(io: *Linux) void {
        while (true) {
            const rc = linux.io_uring_enter(io.ring.fd, io.ring.flush_sq(), 0, 0, null);
            io.enters += 1;
            switch (linux.errno(rc)) {
                .SUCCESS => return,
                .INTR, .AGAIN, .BUSY => continue,
                else => |err| std.debug.panic("io_uring_enter: {t}", .{err}),
            }
        }
    }
};

/// Newest first: the next is tried when the kernel doesn't know a flag.
const setups = [_]u32{
    // Linux 6.1: the kernel's part of our work runs when we ask for it, and never interrupts us.
    linux.IORING_SETUP_SINGLE_ISSUER | linux.IORING_SETUP_DEFER_TASKRUN,
    // Linux 6.0 has multishot receives, without which we can't do, but no DEFER_TASKRUN.
    linux.IORING_SETUP_SINGLE_ISSUER | linux.IORING_SETUP_COOP_TASKRUN,
};

fn setupRing(submissions: u16, completions: u32) Linux.InitError!IoUring {
    for (setups) |setup| {
        var params = std.mem.zeroInit(linux.io_uring_params, .{
            // R_DISABLED: `start` says which thread is the single issuer.
            .flags = setup | linux.IORING_SETUP_SUBMIT_ALL | linux.IORING_SETUP_CQSIZE | linux.IORING_SETUP_R_DISABLED,
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

fn unmapBufferRing(ring: *align(std.heap.page_size_min) linux.io_uring_buf_ring, count: u16) void {
    const entries: [*]linux.io_uring_buf = @ptrCast(ring);
    pages.release(linux.io_uring_buf, entries[0..count]);
}

fn registerError(err: anyerror) Linux.InitError {
    return switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        error.UserFdQuotaExceeded, error.ProcessFdQuotaExceeded, error.SystemResources => error.SystemResources,
        error.ArgumentsInvalid => error.KernelTooOld,
        else => error.Unexpected,
    };
}

fn setOption(fd: linux.fd_t, level: i32, option: u32) error{Unexpected}!void {
    const on: c_int = 1;
    const rc = linux.setsockopt(fd, level, option, std.mem.asBytes(&on), @sizeOf(c_int));
    if (linux.errno(rc) != .SUCCESS) return error.Unexpected;
}

const SocketAddress = extern union {
    any: linux.sockaddr,
    in: linux.sockaddr.in,
    in6: linux.sockaddr.in6,

    fn init(address: std.Io.net.IpAddress) SocketAddress {
        return switch (address) {
            .ip4 => |ip| .{ .in = .{ .port = std.mem.nativeToBig(u16, ip.port), .addr = @bitCast(ip.bytes) } },
            .ip6 => |ip| .{ .in6 = .{
                .port = std.mem.nativeToBig(u16, ip.port),
                .flowinfo = ip.flow,
                .addr = ip.bytes,
                .scope_id = ip.interface.index,
            } },
        };
    }

    fn len(address: *const SocketAddress) linux.socklen_t {
        return if (address.any.family == linux.AF.INET) @sizeOf(linux.sockaddr.in) else @sizeOf(linux.sockaddr.in6);
    }
};
