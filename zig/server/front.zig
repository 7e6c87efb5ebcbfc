//! The server as a front of Lyger's, over a C ABI: Rust says what requests mean and what their answers are, and owns the loop,
//! of which this ring is a part. `rust/ring/` has the other side of every declaration here.
//!
//! What always holds: one thread calls, the one that called `lr_start`. A connection is named by its slot and the slot's
//! generation, so that a late call finds nobody. Callbacks may call back. Nothing is allocated after `lr_create`.

const std = @import("std");
const io_of = @import("io.zig");
const slots = @import("slot.zig");
const application_of = @import("application.zig");
const pages = @import("pages.zig");
const http = @import("protocol/http.zig");
const Config = @import("config.zig").Config;
const ServerType = @import("server.zig").ServerType;
const StackSlot = slots.StackSlot;
const Server = ServerType(io_of.Linux);
const linux = std.os.linux;

/// Rust refuses to go on with another one.
const abi_version = 1;

/// Buffers that the kernel may fill, of 4 KiB each. It is given a few of them, and more when a burst finds none (`io/linux.zig`),
/// which is read a turn later.
const buffer_count = 1024;

pub const panic = std.debug.FullPanic(struct {
    fn end(message: []const u8, _: ?usize) noreturn {
        for ([_][]const u8{ "lyger: the io_uring server: ", message, "\n" }) |text| _ = linux.write(2, text.ptr, text.len);
        std.process.abort();
    }
}.end);

/// Slot and generation, as Rust holds them.
const Connection = packed struct(u64) { index: u32, generation: u32 };

const Head = extern struct {
    message: [*]const u8,
    message_len: u32,
    method: u32,
    target: u32,
    version_minor: u32,
    fields: [*]const http.Field,
    field_count: u32,
};

const Reading = extern struct {
    /// 0 nothing, 1 `length` bytes, 2 chunked.
    framing: u32,
    expects_continue: u32,
    length: u64,
};

const Part = extern struct {
    head: [*]const u8,
    head_len: usize,
    body: [*]const u8,
    body_len: usize,
    /// Handed to `Callbacks.release`; null for a last part, whose body is copied.
    body_owner: ?*anyopaque,
    is_last: bool,
    keep_alive: bool,
};

const Callbacks = extern struct {
    open: *const fn (?*anyopaque, u64, i32) callconv(.c) void,
    head: *const fn (?*anyopaque, u64, *const Head) callconv(.c) Reading,
    body: *const fn (?*anyopaque, u64, [*]const u8, usize, bool) callconv(.c) void,
    refusal: *const fn (?*anyopaque, u64, u16, bool, usize) callconv(.c) void,
    half_closed: *const fn (?*anyopaque, u64) callconv(.c) void,
    writable: *const fn (?*anyopaque, u64) callconv(.c) void,
    close: *const fn (?*anyopaque, u64) callconv(.c) void,
    accept_failure: *const fn (?*anyopaque, u16) callconv(.c) void,
    release: *const fn (*anyopaque) callconv(.c) void,
};

const Options = extern struct {
    idle_timeout_ms: u32,
    head_timeout_ms: u32,
    body_idle_timeout_ms: u32,
    write_timeout_ms: u32,
    linger_timeout_ms: u32,
    half_close_timeout_ms: u32,
    body_bytes_max: u32,
    head_bytes_max: u16,
    header_count_max: u16,
};

const Front = struct {
    server: Server,
    callbacks: Callbacks,
    context: ?*anyopaque,
    /// A callback runs: whoever called it settles the connection afterwards.
    inside: bool = false,

    fn name(front: *const Front, slot: *const StackSlot) u64 {
        return @bitCast(Connection{ .index = front.server.core.slots.indexOf(slot), .generation = slot.line1.gen_id });
    }

    fn find(front: *Front, connection: u64) ?*StackSlot {
        const parts: Connection = @bitCast(connection);
        const slot = front.server.core.slots.get(parts.index, parts.generation) orelse return null;
        return if (slot.line1.state == .closing) null else slot;
    }

    fn enter(front: *Front) bool {
        defer front.inside = true;
        return front.inside;
    }

    fn of(context: *anyopaque) *Front {
        return @ptrCast(@alignCast(context));
    }

    fn onOpen(context: *anyopaque, slot: *StackSlot) void {
        const front = of(context);
        front.callbacks.open(front.context, front.name(slot), @intCast(slot.line1.fd));
    }

    fn onHead(
        context: *anyopaque,
        slot: *StackSlot,
        message: []const u8,
        parser: *const http.RequestParser,
        fields: []const http.Field,
    ) application_of.Reading {
        const front = of(context);
        const was_inside = front.enter();
        defer front.inside = was_inside;
        const head: Head = .{
            .message = message.ptr,
            .message_len = @intCast(message.len),
            .method = @bitCast(parser.method_span),
            .target = @bitCast(parser.target_span),
            .version_minor = parser.version_minor,
            .fields = fields.ptr,
            .field_count = @intCast(fields.len),
        };
        const reading = front.callbacks.head(front.context, front.name(slot), &head);
        return .{
            .framing = switch (reading.framing) {
                0 => .none,
                1 => .{ .length = reading.length },
                else => .chunked,
            },
            .expects_continue = reading.expects_continue != 0,
        };
    }

    fn onBody(context: *anyopaque, slot: *StackSlot, data: []const u8, is_last: bool) void {
        const front = of(context);
        const was_inside = front.enter();
        defer front.inside = was_inside;
        front.callbacks.body(front.context, front.name(slot), data.ptr, data.len, is_last);
    }

    fn onRefusal(context: *anyopaque, slot: *StackSlot, refusal: application_of.Refusal) void {
        const front = of(context);
        const was_inside = front.enter();
        defer front.inside = was_inside;
        front.callbacks.refusal(front.context, front.name(slot), refusal.status, refusal.is_in_body, refusal.open_line_bytes);
    }

    fn onHalfClosed(context: *anyopaque, slot: *StackSlot) void {
        const front = of(context);
        const was_inside = front.enter();
        defer front.inside = was_inside;
        front.callbacks.half_closed(front.context, front.name(slot));
    }

    fn onWritable(context: *anyopaque, slot: *StackSlot) void {
        const front = of(context);
        const was_inside = front.enter();
        defer front.inside = was_inside;
        front.callbacks.writable(front.context, front.name(slot));
    }

    fn onClose(context: *anyopaque, slot: *StackSlot) void {
        const front = of(context);
        front.callbacks.close(front.context, front.name(slot));
    }

    fn onAcceptFailure(context: *anyopaque, errno: u16) void {
        const front = of(context);
        front.callbacks.accept_failure(front.context, errno);
    }

    fn release(context: ?*anyopaque, _: []const u8) void {
        // The slot's context is the owner; the function is the same for all fronts of the process.
        release_callback.?(context.?);
    }
};

/// Rust's way to let go of a body: one function for the whole process.
var release_callback: ?*const fn (*anyopaque) callconv(.c) void = null;

const Status = enum(i32) { ok = 0, denied = 1, too_old = 2, no_resources = 3, invalid = 4, failed = 5 };

fn statusOf(err: anyerror) Status {
    return switch (err) {
        error.RingDenied => .denied,
        error.KernelTooOld => .too_old,
        error.SystemResources, error.OutOfMemory => .no_resources,
        error.InvalidConfig => .invalid,
        else => .failed,
    };
}

export fn lr_abi_version() u32 {
    return abi_version;
}

/// Whether a ring can be had here.
export fn lr_probe() Status {
    io_of.Linux.probe() catch |err| return statusOf(err);
    return .ok;
}

/// Reserves all there is. The callbacks get `context`.
export fn lr_create(options: *const Options, callbacks: *const Callbacks, context: ?*anyopaque, out: *?*Front) Status {
    out.* = create(options, callbacks, context) catch |err| return statusOf(err);
    return .ok;
}

fn create(options: *const Options, callbacks: *const Callbacks, context: ?*anyopaque) !*Front {
    var config: Config = .{
        .idle_timeout_ms = options.idle_timeout_ms,
        .head_timeout_ms = options.head_timeout_ms,
        .body_timeout_ms = options.body_idle_timeout_ms,
        .write_timeout_ms = options.write_timeout_ms,
        .linger_timeout_ms = options.linger_timeout_ms,
        .buffer_pool_size = buffer_count,
        .limits = .{
            .head_bytes_max = options.head_bytes_max,
            .header_count_max = options.header_count_max,
            // How long a target may be is judged when its head is whole, as by Lyger's other front.
            .uri_bytes_max = std.math.maxInt(u16),
            .bare_line_feeds = true,
        },
        // Bodies are taken as they come, and none lies here.
        .body_bytes_max = 0,
        // What only handlers have: no fiber, no socket of their own, no name to look up, no broadcast, no answer from another thread.
        .fibers_max = 0,
        .tasks_max = 2,
        .outgoing_max = 0,
        .dns = .{ .resolv_conf = .{ .text = "" }, .hosts = .{ .text = "" } },
        .topics_max = 1,
        .subscriptions_max = 1,
        .broadcast_messages_max = 1,
        .deferred_max = 2,
    };
    try config.check();
    const memory = try pages.reserve(Front, 1);
    errdefer pages.release(Front, memory);
    const front = &memory[0];
    var io: io_of.Linux = try .init(.{
        .buffer_size = config.buffer_size,
        .buffer_count = config.buffer_pool_size,
        .descriptors = config.slotCount(),
        // Their peers are asked for, which have no name within the ring's own table.
        .direct = false,
    });
    errdefer io.deinit();
    front.callbacks = callbacks.*;
    front.context = context;
    front.inside = false;
    front.server = try .initIo(std.heap.page_allocator, null, config, io);
    release_callback = callbacks.release;
    const core = &front.server.core;
    core.config.body_bytes_max = options.body_bytes_max;
    core.options = .{ .limits = config.limits, .unknown_methods = .accept, .meaning = .elsewhere };
    core.application = .{
        .context = front,
        .half_close_timeout_ms = options.half_close_timeout_ms,
        // The head's limit, as by Lyger's other front.
        .trailer_bytes_max = options.head_bytes_max - 1,
        .onOpen = Front.onOpen,
        .onHead = Front.onHead,
        .onBody = Front.onBody,
        .onRefusal = Front.onRefusal,
        .onHalfClosed = Front.onHalfClosed,
        .onWritable = Front.onWritable,
        .onClose = Front.onClose,
        .onAcceptFailure = Front.onAcceptFailure,
    };
    return front;
}

/// The calling thread becomes the ring's. Connections that come at `listener` are taken, which stays the caller's.
export fn lr_start(front: *Front, listener: i32) Status {
    front.server.io.listener = listener;
    front.server.begin() catch |err| return statusOf(err);
    _ = front.server.io.notifier() catch |err| return statusOf(err);
    return .ok;
}

export fn lr_destroy(front: *Front) void {
    // The caller's.
    front.server.io.listener = -1;
    // Those that were closed just now are, by that; the others are ours as descriptors of the process.
    front.server.io.handOver(0) catch {};
    const core = &front.server.core;
    for (core.slots.live[0..core.slots.live_len]) |index| {
        const slot = &core.slots.slots[index];
        if (slot.line1.state != .closing) _ = linux.close(@intCast(slot.line1.fd));
    }
    const memory = @as([*]Front, @ptrCast(front))[0..1];
    front.server.deinit();
    pages.release(Front, memory);
}

/// Written when something has happened.
export fn lr_descriptor(front: *const Front) i32 {
    return front.server.io.notifier_fd;
}

/// From now on each write to the descriptor wakes whoever waits for the ring.
export fn lr_watch(front: *Front, descriptor: i32) void {
    front.server.io.watch(descriptor);
}

/// Hands over what was queued and waits up to so long if nothing has happened; how many events there are then.
export fn lr_wait(front: *Front, timeout_ns: u64) i32 {
    front.server.io.handOver(timeout_ns) catch return -1;
    return @intCast(front.server.io.ring.cq_ready());
}

/// Acts on what has happened; how many events that were.
export fn lr_turn(front: *Front) i32 {
    const server = &front.server;
    const events = server.io.completed(&server.events) catch return -1;
    server.take(events);
    if (server.connections.starved > 0) server.connections.feedStarved(server);
    server.acceptor.arm(server);
    return @intCast(events.len);
}

/// Ends what has passed its deadline. When the next one is, by the machine's monotonic clock.
export fn lr_expire(front: *Front) u64 {
    const server = &front.server;
    server.core.now_ms = server.io.monotonic_ms();
    var next_ms: u64 = application_of.never;
    var position = server.core.slots.live_len;
    // From the end: closing takes the last one's place.
    while (position > 0) {
        position -= 1;
        const slot = &server.core.slots.slots[server.core.slots.live[position]];
        server.connections.checkTimes(server, slot);
        if (slot.line1.gen_id == 0) continue;
        const deadline_ms = if (slot.line1.flags.sending) slot.line2.write_deadline_ms else slot.line2.read_deadline_ms;
        if (deadline_ms > server.core.now_ms) next_ms = @min(next_ms, deadline_ms);
    }
    server.acceptor.arm(server);
    if (server.acceptor.after_ms > server.core.now_ms) next_ms = @min(next_ms, server.acceptor.after_ms);
    return next_ms;
}

/// A connection that was accepted elsewhere; where there is no room for it, it is closed.
export fn lr_adopt(front: *Front, descriptor: i32) void {
    front.server.connections.onAccept(&front.server, @intCast(descriptor));
}

/// No connection is accepted any more.
export fn lr_accept_no_more(front: *Front) void {
    front.server.acceptor.ended = true;
    front.server.acceptor.arm(&front.server);
}

/// Part of the answer to the connection's request: 0 taken, 1 later, when `writable` says so, 2 nobody waits for it.
export fn lr_answer(front: *Front, connection: u64, part: *const Part) application_of.Outcome {
    const release: ?slots.Release = if (part.body_owner != null) Front.release else null;
    const slot = front.find(connection) orelse {
        if (part.body_owner) |owner| Front.release(owner, "");
        return .gone;
    };
    const outcome = application_of.answer(&front.server.core, slot, .{
        .head = part.head[0..part.head_len],
        .body = part.body[0..part.body_len],
        .release = release,
        .release_context = part.body_owner,
        .is_last = part.is_last,
        .keep_alive = part.keep_alive,
    });
    if (!front.inside) front.server.connections.settle(&front.server, slot);
    return outcome;
}

/// Ends a connection at once.
export fn lr_close(front: *Front, connection: u64) void {
    const slot = front.find(connection) orelse return;
    if (front.inside) {
        if (slot.line1.state == .deferred) front.server.core.deferred -= 1;
        slot.line1.state = .broken;
    } else front.server.connections.close(&front.server, slot);
}

/// The same, by a reset: the client must not take what it got for all.
export fn lr_reset(front: *Front, connection: u64) void {
    const slot = front.find(connection) orelse return;
    const now: extern struct { on: c_int = 1, seconds: c_int = 0 } = .{};
    // Fails for a connection that is gone already.
    _ = linux.setsockopt(@intCast(slot.line1.fd), linux.SOL.SOCKET, linux.SO.LINGER, std.mem.asBytes(&now), @sizeOf(@TypeOf(now)));
    lr_close(front, connection);
}

/// Where a connection stands: 0 between requests, 1 in a head, 2 in a body, 3 with the application, 4 at an answer's bytes,
/// 5 at its end.
export fn lr_state(front: *Front, connection: u64) u32 {
    const slot = front.find(connection) orelse return 5;
    return switch (slot.line1.state) {
        .head => if (slot.line1.flags.sending or !slot.line1.output.isEmpty())
            4
        else if (!slot.line2.input.isEmpty() and slot.line3.parser.hasBegun()) 1 else 0,
        .body => 2,
        .deferred => 3,
        .answered, .answering, .ending => 4,
        .web_socket, .lingering, .broken, .closing => 5,
    };
}
