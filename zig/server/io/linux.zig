//! I/O by io_uring. One `io_uring_enter` a turn submits what was queued, waits, and runs the kernel's deferred work;
//! connections are accepted into the ring's own table of descriptors, and what they send lands in buffers that the kernel
//! picks from a ring of provided ones.
//!
//! One thread owns it, the one that called `start`; only `wake` may be called by others.

const std = @import("std");
const builtin = @import("builtin");
const assert = std.debug.assert;
const linux = std.os.linux;
const IoUring = linux.IoUring;
const interface = @import("../io.zig");
const descriptors = @import("../descriptors.zig");
const pages = @import("../pages.zig");
const clock = @import("linux/clock.zig");
const setup = @import("linux/setup.zig");
const BufferId = interface.BufferId;
const Descriptor = interface.Descriptor;
const Event = interface.Event;
const SocketAddress = interface.SocketAddress;
const UserData = interface.UserData;

/// Room for all that one turn can queue; a fuller queue is handed over early.
const submissions_max = interface.events_per_turn_max * interface.operations_per_event_max;

/// Completions that may wait for us. More than that the kernel keeps in a list of its own (IORING_FEAT_NODROP), at a cost.
const completions_max = 8192;

/// The group of provided buffers; there is only one.
const buffer_group = 0;

/// What the kernel is given of the buffers at first. A ring of buffers is worked off from its front, so that it goes through all
/// that it is given: with few of them it comes back to those whose memory is in the cache. As many as arrive in a turn.
const buffers_given_first = 256;

/// Connections that the kernel completes for us before they are accepted. net.core.somaxconn bounds it once more.
const listen_backlog = 4096;

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
    /// Buffers that nobody has, the last one returned on top: its memory is still in the cache.
    buffers_kept: []BufferId,
    buffers_kept_len: u16 = 0,
    /// Those that the kernel may fill, as far as it has told us.
    buffers_given: u16 = 0,
    /// As many as it is given. The others aren't even backed by memory until it ran out of these.
    buffers_given_max: u16,
    /// Kept and given.
    buffers_free: u32,
    /// Where the table's part for sockets of our own begins: the kernel gives none of it to what it accepts.
    outgoing_first: Descriptor,
    cqes: [interface.events_per_turn_max]linux.io_uring_cqe = undefined,
    enters: u64 = 0,

    /// Other threads may be there.
    pub const has_threads = !builtin.single_threaded;

    pub const InitError = setup.InitError;

    /// Whether a ring as we need it can be had here. Says why not by the error.
    pub fn probe() InitError!void {
        var ring = try setup.setupRing(8, 16, null);
        ring.deinit();
    }

    pub const Parent = setup.Parent;

    pub fn parent(io: *const Linux) Parent {
        return .{ .ring = io.ring.fd, .event = io.event_fd };
    }

    pub fn init(options: interface.Options) InitError!Linux {
        return initBeside(null, options);
    }

    pub const tableLen = descriptors.tableLen;

    /// A ring whose completions end the parent's sleep, so that one loop serves both.
    pub fn initBeside(beside: ?Parent, options: interface.Options) InitError!Linux {
        assert(std.math.isPowerOfTwo(options.buffer_count));
        assert(options.descriptors > 0);
        var ring = try setup.setupRing(submissions_max, completions_max, beside);
        errdefer ring.deinit();
        // Sockets of our own lie in the ring's table: all descriptors of a ring are of the same kind.
        assert(options.direct or options.outgoing == 0);
        const table_len = tableLen(options.descriptors, options.outgoing);
        const outgoing_first = table_len - options.outgoing;
        if (options.direct) {
            ring.register_files_sparse(table_len) catch |err| return setup.registerError(err);
            try setup.limitAccepted(&ring, outgoing_first);
        }
        if (beside) |other| ring.register_eventfd(other.event) catch |err| return setup.registerError(err);

        const memory = try pages.reserve(u8, @as(usize, options.buffer_size) * options.buffer_count);
        errdefer pages.release(u8, memory);
        const buffers_kept = try pages.reserve(BufferId, options.buffer_count);
        errdefer pages.release(BufferId, buffers_kept);
        // BufferGroup.init would force incremental buffers, which several receives share.
        const buffer_ring = IoUring.setup_buf_ring(ring.fd, options.buffer_count, buffer_group, .{ .inc = false }) catch |err|
            return setup.registerError(err);
        errdefer setup.unmapBufferRing(buffer_ring, options.buffer_count);
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
            .buffers_kept = buffers_kept,
            .buffers_given_max = @min(options.buffer_count, buffers_given_first),
            .buffers_free = 0,
            .outgoing_first = outgoing_first,
        };
        for (0..options.buffer_count) |id| io.returnBuffer(@intCast(options.buffer_count - 1 - id));
        assert(io.buffers_free == options.buffer_count);
        return io;
    }

    pub fn deinit(io: *Linux) void {
        // The ring first: nothing is written into the buffers afterwards. It can't be asked to let go of them, which only
        // the thread that called `start` may do.
        io.ring.deinit();
        setup.unmapBufferRing(io.buffer_ring, io.buffer_count);
        _ = linux.close(io.event_fd);
        if (io.notifier_fd >= 0) _ = linux.close(io.notifier_fd);
        if (io.listener >= 0) _ = linux.close(io.listener);
        pages.release(u8, io.buffer_memory);
        pages.release(BufferId, io.buffers_kept);
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
        io.ring.register_eventfd(io.notifier_fd) catch |err| return setup.registerError(err);
        return io.notifier_fd;
    }

    pub const ListenError = setup.ListenError;

    /// Port 0 takes a free one; `port` says which. With `reuse_port` several rings share an address.
    pub fn listen(io: *Linux, address: std.Io.net.IpAddress, reuse_port: bool) ListenError!void {
        assert(io.listener == -1);
        io.listener = try setup.awaitListener(address, reuse_port, listen_backlog);
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

    /// So many connections at most arrive at once, twice: before an accept is cancelled, and before it ends.
    pub const accepts_at_once_max = 2 * listen_backlog;

    pub fn accept(io: *Linux, user_data: UserData, shots: interface.Shots) void {
        const sqe = io.submission(user_data);
        if (io.direct) {
            sqe.prep_multishot_accept_direct(io.listener, null, null, 0);
        } else sqe.prep_multishot_accept(io.listener, null, null, linux.SOCK.CLOEXEC);
        if (shots == .single) sqe.ioprio &= ~@as(u16, linux.IORING_ACCEPT_MULTISHOT);
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

    /// Asks how many bytes of what was sent the client's kernel has not acknowledged: it may take many a second of which a send that waits
    /// for room tells nothing, as the kernel wakes it when a third of some MB is free. Linux 6.7; earlier ones answer with an error.
    pub fn lookAtUnacknowledged(io: *Linux, descriptor: Descriptor, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_rw(.URING_CMD, @intCast(descriptor), 0, 0, setup.socket_uring_op_siocoutq);
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

    /// The descriptor of the so-manieth socket of our own.
    pub fn outgoing(io: *const Linux, number: u32) Descriptor {
        return io.outgoing_first + number;
    }

    /// Opens a socket under a descriptor of `outgoing` that is free.
    pub fn openSocket(io: *Linux, descriptor: Descriptor, kind: interface.Kind, family: linux.sa_family_t) interface.OpenError!void {
        assert(descriptor >= io.outgoing_first);
        const type_of: u32 = switch (kind) {
            .stream => linux.SOCK.STREAM,
            .datagram => linux.SOCK.DGRAM,
        };
        const rc = linux.socket(family, type_of | linux.SOCK.CLOEXEC, 0);
        switch (linux.errno(rc)) {
            .SUCCESS => {},
            .AFNOSUPPORT => return error.FamilyUnsupported,
            .MFILE, .NFILE, .NOBUFS, .NOMEM => return error.SystemResources,
            else => return error.Unexpected,
        }
        const fd: linux.fd_t = @intCast(rc);
        // From here on only the ring has it.
        defer _ = linux.close(fd);
        // What we send leaves at once: we gather it ourselves, and a question must not wait for the last answer's ack.
        if (kind == .stream) try setup.setOption(fd, linux.IPPROTO.TCP, linux.TCP.NODELAY);
        io.ring.register_files_update(descriptor, &.{fd}) catch |err| return switch (err) {
            error.SystemResources => error.SystemResources,
            else => error.Unexpected,
        };
    }

    /// The address stays as it is until the event. A datagram socket that is connected takes nothing from others.
    pub fn connect(io: *Linux, descriptor: Descriptor, address: *const SocketAddress, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_connect(@intCast(descriptor), &address.any, address.len());
        sqe.flags = linux.IOSQE_FIXED_FILE;
        sqe.user_data = @bitCast(user_data);
    }

    /// Once, into memory that is the kernel's until the event.
    pub fn receiveInto(io: *Linux, descriptor: Descriptor, room: []u8, user_data: UserData) void {
        assert(room.len > 0);
        const sqe = io.submission(user_data);
        sqe.prep_recv(@intCast(descriptor), room, 0);
        sqe.flags = linux.IOSQE_FIXED_FILE;
        sqe.user_data = @bitCast(user_data);
    }

    /// Tells once when a descriptor of the process's, not of the ring's, can be read or written, by poll(2)'s mask.
    pub fn poll(io: *Linux, fd: linux.fd_t, mask: u32, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_poll_add(fd, mask);
        sqe.user_data = @bitCast(user_data);
    }

    /// For numbers that nobody shall guess.
    pub fn randomBytes(_: *Linux, into: []u8) void {
        assert(into.len <= 256);
        const rc = linux.getrandom(into.ptr, into.len, 0);
        // Up to 256 bytes come whole and without an interruption (getrandom(2)).
        assert(linux.errno(rc) == .SUCCESS and rc == into.len);
    }

    /// Asks the operations that were queued with `target` to end.
    pub fn cancel(io: *Linux, target: UserData, user_data: UserData) void {
        const sqe = io.submission(user_data);
        sqe.prep_cancel(@bitCast(target), linux.IORING_ASYNC_CANCEL_ALL);
        sqe.flags = linux.IOSQE_CQE_SKIP_SUCCESS;
        sqe.user_data = @bitCast(user_data);
    }

    pub fn buffer(io: *Linux, id: BufferId) []u8 {
        assert(id < io.buffer_count);
        return io.buffer_memory[@as(usize, id) * io.buffer_size ..][0..io.buffer_size];
    }

    /// The kernel may fill it again, from the next `turn` on.
    pub fn returnBuffer(io: *Linux, id: BufferId) void {
        io.buffers_kept[io.buffers_kept_len] = id;
        io.buffers_kept_len += 1;
        io.buffers_free += 1;
        assert(io.buffers_free <= io.buffer_count);
    }

    fn giveBuffers(io: *Linux) void {
        const mask = IoUring.buf_ring_mask(io.buffer_count);
        const count = @min(io.buffers_kept_len, io.buffers_given_max - io.buffers_given);
        for (0..count) |offset| {
            io.buffers_kept_len -= 1;
            const id = io.buffers_kept[io.buffers_kept_len];
            IoUring.buf_ring_add(io.buffer_ring, io.buffer(id), id, mask, @intCast(offset));
        }
        if (count > 0) IoUring.buf_ring_advance(io.buffer_ring, count);
        io.buffers_given += count;
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
        io.giveBuffers();
        const to_submit = io.ring.flush_sq();
        const ready = io.ring.cq_ready();
        const waits = ready == 0 and (timeout_ns == null or timeout_ns.? > 0);
        if (to_submit > 0 or ready == 0) try io.enter(to_submit, if (waits) 1 else 0, if (waits) timeout_ns else null);
    }

    /// What has happened, without asking the kernel.
    pub fn completed(io: *Linux, events: []Event) error{Unexpected}![]Event {
        const count = io.ring.copy_cqes(&io.cqes, 0) catch return error.Unexpected;
        var ran_out = false;
        for (io.cqes[0..count], events[0..count]) |cqe, *event| {
            const has_buffer = cqe.flags & linux.IORING_CQE_F_BUFFER != 0;
            event.* = .{
                .user_data = @bitCast(cqe.user_data),
                .result = cqe.res,
                .buffer = if (has_buffer) @intCast(cqe.flags >> linux.IORING_CQE_BUFFER_SHIFT) else null,
                .more = cqe.flags & linux.IORING_CQE_F_MORE != 0,
            };
            if (has_buffer) {
                io.buffers_free -= 1;
                io.buffers_given -= 1;
            } else if (event.failure() == .NOBUFS) ran_out = io.buffers_kept_len > 0;
            if (event.user_data.operation == .wake) {
                if (event.user_data.index == 0) {
                    io.wake_pending.store(false, .release);
                    io.armWake();
                } else if (!event.more) io.watch(io.watched_fd);
            }
        }
        // More arrived in one turn than it was given: twice as many the next time.
        if (ran_out) io.buffers_given_max = @min(2 * @as(u32, io.buffers_given_max), io.buffer_count);
        return events[0..count];
    }

    /// Whether a turn would do anything without waiting. Without a system call, on a ring beside another.
    pub fn hasWork(io: *Linux) bool {
        const flags = @atomicLoad(u32, io.ring.sq.flags, .acquire);
        return io.ring.sq_ready() > 0 or io.ring.cq_ready() > 0 or flags & (linux.IORING_SQ_TASKRUN | linux.IORING_SQ_CQ_OVERFLOW) != 0;
    }

    /// Milliseconds of a clock that never goes back.
    pub fn monotonic_ms(_: *const Linux) u64 {
        return clock.milliseconds();
    }

    /// Seconds since 1970.
    pub fn realtime_seconds(_: *const Linux) u64 {
        return clock.seconds();
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
