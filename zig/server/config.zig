//! What a server is made with, and its limits with their reasons. Everything is taken at the start.

const std = @import("std");
const http = @import("protocol/http.zig");
const buffers = @import("buffers.zig");
const bytes = @import("protocol/bytes.zig");
const descriptors = @import("descriptors.zig");
const dns_resolver = @import("outgoing/dns_resolver.zig");
const stacks = @import("fiber/stacks.zig");
const UserData = @import("io.zig").UserData;

pub const Config = struct {
    /// The stack of a fiber on the loop's thread: of a task of `Next.go`, or a handler that yields. 0 is 64. What it doesn't touch
    /// costs nothing, what it pushes beyond ends the process.
    fiber_stack_size_kb: u32 = 64,
    /// The processor that the loop's thread stays on.
    io_cpu: ?u32 = null,
    /// How long a connection may rest between two requests.
    idle_timeout_ms: u32 = 30_000,
    /// How long a client may take none of what is sent to it.
    write_timeout_ms: u32 = 5_000,
    /// Bytes of a buffer that the kernel fills: most requests fit into one.
    buffer_size: u32 = 4096,
    /// How many of them; a power of two.
    buffer_pool_size: u16 = 16_384,

    /// From a request's first byte to the end of its head. In total, so that a client that sends a byte now and then
    /// doesn't hold a connection for hours.
    head_timeout_ms: u32 = 10_000,
    /// From the end of the head to the end of the body, in total; of a WebSocket's message, from its first byte to its last.
    body_timeout_ms: u32 = 30_000,
    /// How long a deferred answer may take; afterwards the client gets a 504.
    deferred_timeout_ms: u32 = 60_000,
    /// How long a connection is read from after its last answer, so that a reset doesn't destroy that on its way.
    linger_timeout_ms: u32 = 1_000,
    /// How long `stop` waits for answers that are not sent yet.
    stop_timeout_ms: u32 = 10_000,
    /// How often tick hooks run when nothing else happens.
    tick_interval_ms: u32 = 10,

    /// The head's limits: 431 and 414 beyond them.
    limits: http.Limits = .{},
    /// 413 beyond it. nginx takes as much by default; a body lies in one block of the large pool.
    body_bytes_max: u32 = 1 << 20,

    /// Connections at once. 0 raises the soft limit of descriptors to the hard one, and takes what that leaves; the seed's 1,048,576
    /// have to be asked for, and allowed.
    slots: u32 = 0,
    /// Touches all slots at the start, so that no connection pays for it.
    warmup: bool = false,
    /// Memory of each of the eight classes of buffers for what is under way. Untouched memory costs nothing.
    class_bytes: usize = 16 << 20,
    /// Blocks for bodies and answers beyond 64 KB.
    large_buffers: u32 = 64,
    large_buffer_bytes: u32 = 1 << 20,
    /// Requests that wait for a deferred answer at once, 503 beyond it; a power of two.
    deferred_max: u32 = 4096,

    /// Sockets that the application opens itself through `server.rs`, at once. Their buffers cost nothing untouched.
    outgoing_max: u16 = 128,
    /// Where the addresses of names come from.
    dns: dns_resolver.Config = .{},

    /// Fibers on the loop's thread at once: as many requests may wait for a database or another server. Each has a stack.
    fibers_max: u32 = 1024,
    /// Tasks that wait for a fiber, and as many for a worker, before `Next` says `TooManyTasks`; a power of two.
    tasks_max: u32 = 4096,
    /// Tasks of one worker that have begun and wait by `Fiber.workerYield`: more kernels than a GPU's queues take at a time.
    worker_fibers_max: u32 = 64,
    /// The stack of a fiber on a worker: larger, because foreign libraries are called there.
    worker_stack_size_kb: u32 = 1024,

    /// Topics that WebSockets listen to at once: each route has one of them, and as many names as the application has groups.
    topics_max: u32 = 16 * 1024,
    /// Subscriptions of all WebSockets together; 0 is four for each slot, and that to its route comes on top.
    subscriptions_max: u32 = 0,
    /// Of one connection, beside that to its route: names may come from clients, and each is looked for among all of them.
    subscriptions_per_connection_max: u32 = 128,
    /// Messages of broadcasts that some connection still waits for; beyond it `broadcast` fails.
    broadcast_messages_max: u32 = 1024,
    /// How many of them one connection may leave waiting before it is closed for being slow.
    broadcasts_waiting_max: u16 = 64,

    /// Several rings listen at one address, and the kernel spreads connections over them.
    reuse_port: bool = false,
    /// The value of the field Server; none is sent by default.
    server_name: ?[]const u8 = null,

    pub const Error = error{InvalidConfig};

    pub fn check(config: *const Config) Error!void {
        const ok = std.math.isPowerOfTwo(config.buffer_pool_size) and
            // Offsets within a buffer are held in 16 bits.
            config.buffer_size >= 64 and config.buffer_size <= buffer_size_max and
            std.math.isPowerOfTwo(config.deferred_max) and config.deferred_max >= 2 and
            config.class_bytes >= buffers.tier_bytes_max and
            config.large_buffer_bytes >= buffers.tier_bytes_max and
            config.body_bytes_max <= @max(buffers.tier_bytes_max, if (config.large_buffers > 0) config.large_buffer_bytes else 0) and
            config.limits.header_count_max <= http.Limits.header_count_standard and
            std.math.isPowerOfTwo(config.tasks_max) and config.tasks_max >= 2 and
            config.topics_max >= 1 and config.broadcast_messages_max >= 1 and config.broadcasts_waiting_max >= 1 and
            config.fibers_max <= stacks.count_max and
            config.worker_fibers_max >= 1 and config.worker_fibers_max <= stacks.count_max and
            (config.fiber_stack_size_kb == 0 or config.fiber_stack_size_kb >= stack_kb_min) and
            config.fiber_stack_size_kb <= stack_kb_max and
            config.worker_stack_size_kb >= stack_kb_min and config.worker_stack_size_kb <= stack_kb_max and
            isServerName(config.server_name) and
            config.slots <= UserData.index_max;
        if (!ok) return error.InvalidConfig;
    }

    fn isServerName(server_name: ?[]const u8) bool {
        const name = server_name orelse return true;
        return name.len > 0 and name.len <= server_name_bytes_max and bytes.isAll(.field_value, name);
    }

    pub fn fiberStackBytes(config: *const Config) usize {
        return @as(usize, if (config.fiber_stack_size_kb > 0) config.fiber_stack_size_kb else 64) * 1024;
    }

    pub fn workerStackBytes(config: *const Config) usize {
        return @as(usize, config.worker_stack_size_kb) * 1024;
    }

    pub fn subscriptionCount(config: *const Config, slots: u32) u32 {
        return slots + if (config.subscriptions_max > 0) config.subscriptions_max else 4 * slots;
    }

    /// The slots to reserve: those asked for, or as many as there can be connections.
    pub fn slotCount(config: *const Config) u32 {
        if (config.slots > 0) return config.slots;
        // The ring's table of descriptors may not be longer than the process's limit.
        const descriptors_max = @min(descriptors.limit().soft, descriptors.table_max);
        const reserved = @as(u32, descriptors_reserved) + config.outgoing_max;
        return @intCast(@max(descriptors_max, reserved + descriptors_reserved) - reserved);
    }
};

/// What the ring's table holds beside the slots, and the process beside the table: files of the application, the ring, the
/// listener.
const descriptors_reserved = 512;

const buffer_size_max = 32 * 1024;

/// Answers that this server gives by itself, as a 404, have to fit into the smallest class of buffers with it.
const server_name_bytes_max = 128;

/// Less doesn't hold the frames of a formatted number, and ends the process in its guard.
const stack_kb_min = 16;

/// More is a mistake: threads have 8 MB on Linux.
const stack_kb_max = 64 * 1024;

test "the defaults are the seed's, and valid" {
    const config: Config = .{};
    try config.check();
    try std.testing.expectEqual(@as(u32, 64), config.fiber_stack_size_kb);
    try std.testing.expectEqual(@as(usize, 64 * 1024), (Config{ .fiber_stack_size_kb = 0 }).fiberStackBytes());
    try std.testing.expectEqual(@as(usize, 16 * 1024), (Config{ .fiber_stack_size_kb = 16 }).fiberStackBytes());
    try std.testing.expectEqual(@as(u32, 30_000), config.idle_timeout_ms);
    try std.testing.expectEqual(@as(u32, 5_000), config.write_timeout_ms);
    try std.testing.expectEqual(@as(u32, 4096), config.buffer_size);
    try std.testing.expectEqual(@as(u16, 16_384), config.buffer_pool_size);
    try std.testing.expectEqual(@as(u32, 1 << 20), (Config{ .slots = 1 << 20 }).slotCount());
    try std.testing.expect(config.slotCount() > 0);
    try std.testing.expect((Config{ .outgoing_max = std.math.maxInt(u16) }).slotCount() > 0);
}

test "what can't work is refused at the start" {
    for ([_]Config{
        .{ .buffer_pool_size = 1000 },
        .{ .buffer_size = 1 << 16 },
        .{ .body_bytes_max = 2 << 20 },
        .{ .large_buffers = 0 },
        .{ .deferred_max = 3 },
        .{ .deferred_max = 1 },
        .{ .class_bytes = 4096 },
        .{ .limits = .{ .header_count_max = 101 } },
        .{ .tasks_max = 1 },
        .{ .tasks_max = 3 },
        .{ .topics_max = 0 },
        .{ .broadcasts_waiting_max = 0 },
        .{ .fibers_max = 16 * 1024 + 1 },
        .{ .worker_fibers_max = 0 },
        .{ .fiber_stack_size_kb = 1 << 20 },
        .{ .fiber_stack_size_kb = 1 },
        .{ .worker_stack_size_kb = 0 },
        .{ .server_name = "a\r\nb" },
        .{ .server_name = "" },
        .{ .server_name = "x" ** 129 },
    }) |config| try std.testing.expectError(error.InvalidConfig, config.check());
}
