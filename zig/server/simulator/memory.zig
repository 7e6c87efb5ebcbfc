//! Memory that one run of the simulator leaves to the next: to get it from the kernel anew, and to touch it, would cost more
//! than the run. Nobody reads what another run left in it, so a seed gives the same events alone and in a series.

const std = @import("std");
const pages = @import("../pages.zig");
const client = @import("client.zig");
const socket_client = @import("socket_client.zig");
const Window = @import("../io/simulated/network.zig").Window;

pub const clients_max = 32;
pub const sockets_max = 8;
pub const outgoing_max = 12;

/// For each that is in use another, whose server has not closed it yet.
const connections_max = 2 * (clients_max + sockets_max + outgoing_max);

pub const Memory = struct {
    windows: [connections_max][2]Window,
    received: [clients_max][client.receive_bytes_max]u8,
    socket_received: [sockets_max][socket_client.receive_bytes_max]u8,
    scratch: [client.receive_bytes_max]u8,
    broadcast: [broadcast_bytes_max]u8,
    pool: Pool,

    pub const broadcast_bytes_max = 16 * 1024;

    pub fn create() error{OutOfMemory}!*Memory {
        const reserved = try pages.reserve(Memory, 1);
        errdefer pages.release(Memory, reserved);
        reserved[0].pool = .{ .bytes = try pages.reserve(u8, Pool.bytes_max) };
        return &reserved[0];
    }

    pub fn destroy(memory: *Memory) void {
        pages.release(u8, memory.pool.bytes);
        pages.release(Memory, memory[0..1]);
    }
};

/// What one run allocates. It counts every byte: what is freed twice ends the run, and what isn't freed is told.
pub const Allocations = std.heap.DebugAllocator(.{
    // Whoever looks for a leak has the seed that repeats it.
    .stack_trace_frames = 0,
    .thread_safe = false,
    .backing_allocator_zeroes = false,
    // Few are alive at once: a bucket is made and given back all the time, so a small one.
    .page_size = 16 * 1024,
});

/// Blocks of powers of two, which are as aligned as they are long. Freed ones are the next to be given.
pub const Pool = struct {
    bytes: []u8,
    used: usize = 0,
    free: [64]?*Block = @splat(null),

    /// What a run has at once is some ten MB; what is reserved beyond is never touched.
    pub const bytes_max = 1 << 30;
    const block_bytes_min = 4096;

    const Block = struct { next: ?*Block };

    /// Forgets all blocks.
    pub fn reset(pool: *Pool) void {
        pool.* = .{ .bytes = pool.bytes };
    }

    pub fn allocator(pool: *Pool) std.mem.Allocator {
        return .{ .ptr = pool, .vtable = &.{ .alloc = alloc, .resize = resize, .remap = remap, .free = freeBlock } };
    }

    fn order(len: usize, alignment: std.mem.Alignment) u6 {
        return @intCast(std.math.log2_int_ceil(usize, @max(len, block_bytes_min, alignment.toByteUnits())));
    }

    fn alloc(context: *anyopaque, len: usize, alignment: std.mem.Alignment, _: usize) ?[*]u8 {
        const pool: *Pool = @ptrCast(@alignCast(context));
        const class = order(len, alignment);
        if (pool.free[class]) |block| {
            pool.free[class] = block.next;
            return @ptrCast(block);
        }
        const block_bytes = @as(usize, 1) << class;
        const start = std.mem.alignForward(usize, @intFromPtr(pool.bytes.ptr) + pool.used, block_bytes) - @intFromPtr(pool.bytes.ptr);
        if (start + block_bytes > pool.bytes.len) return null;
        pool.used = start + block_bytes;
        return pool.bytes[start..].ptr;
    }

    fn resize(_: *anyopaque, memory: []u8, alignment: std.mem.Alignment, new_len: usize, _: usize) bool {
        return order(memory.len, alignment) == order(new_len, alignment);
    }

    fn remap(context: *anyopaque, memory: []u8, alignment: std.mem.Alignment, new_len: usize, address: usize) ?[*]u8 {
        return if (resize(context, memory, alignment, new_len, address)) memory.ptr else null;
    }

    fn freeBlock(context: *anyopaque, memory: []u8, alignment: std.mem.Alignment, _: usize) void {
        const pool: *Pool = @ptrCast(@alignCast(context));
        const class = order(memory.len, alignment);
        const block: *Block = @ptrCast(@alignCast(memory.ptr));
        block.* = .{ .next = pool.free[class] };
        pool.free[class] = block;
    }
};

test "blocks are aligned, apart, and given again" {
    var pool: Pool = .{ .bytes = try pages.reserve(u8, 1 << 20) };
    defer pages.release(u8, pool.bytes);
    const allocator = pool.allocator();
    const first = try allocator.alignedAlloc(u8, .fromByteUnits(128 * 1024), 5);
    try std.testing.expectEqual(@as(usize, 0), @intFromPtr(first.ptr) % (128 * 1024));
    const second = try allocator.alloc(u8, 70_000);
    @memset(first, 1);
    @memset(second, 2);
    try std.testing.expectEqual(@as(u8, 1), first[4]);
    const at = @intFromPtr(second.ptr);
    allocator.free(second);
    const third = try allocator.alloc(u8, 100_000);
    try std.testing.expectEqual(at, @intFromPtr(third.ptr));
    try std.testing.expectError(error.OutOfMemory, allocator.alloc(u8, 1 << 20));
}
