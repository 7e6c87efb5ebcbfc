//! A few large blocks for bodies and answers beyond what the tiered classes hold. Taken and given back in O(1).

const std = @import("std");
const assert = std.debug.assert;
const pages = @import("pages.zig");

pub const LargeBufferPool = struct {
    memory: []u8,
    block_bytes: u32,
    /// The free blocks from the front, in no order.
    free: []u32,
    free_len: u32,

    pub const block_bytes_default = 1 << 20;

    pub fn init(block_count: u32) error{OutOfMemory}!LargeBufferPool {
        return initSize(block_count, block_bytes_default);
    }

    pub fn initSize(block_count: u32, block_bytes: u32) error{OutOfMemory}!LargeBufferPool {
        const memory = try pages.reserve(u8, @as(usize, block_count) * block_bytes);
        errdefer pages.release(u8, memory);
        const free = try pages.reserve(u32, block_count);
        for (free, 0..) |*entry, i| entry.* = @intCast(block_count - 1 - i);
        return .{ .memory = memory, .block_bytes = block_bytes, .free = free, .free_len = block_count };
    }

    pub fn deinit(pool: *LargeBufferPool) void {
        pages.release(u8, pool.memory);
        pages.release(u32, pool.free);
        pool.* = undefined;
    }

    pub fn count(pool: *const LargeBufferPool) u32 {
        return @intCast(pool.free.len);
    }

    pub fn used(pool: *const LargeBufferPool) u32 {
        return pool.count() - pool.free_len;
    }

    pub fn acquire(pool: *LargeBufferPool) ?[]u8 {
        if (pool.free_len == 0) return null;
        pool.free_len -= 1;
        return pool.memory[@as(usize, pool.free[pool.free_len]) * pool.block_bytes ..][0..pool.block_bytes];
    }

    pub fn release(pool: *LargeBufferPool, block: []u8) void {
        assert(block.len == pool.block_bytes);
        const offset = @intFromPtr(block.ptr) - @intFromPtr(pool.memory.ptr);
        assert(offset % pool.block_bytes == 0);
        assert(offset < pool.memory.len);
        assert(pool.free_len < pool.free.len);
        pool.free[pool.free_len] = @intCast(offset / pool.block_bytes);
        pool.free_len += 1;
    }
};

test "blocks are apart, and come back" {
    var pool: LargeBufferPool = try .initSize(3, 4096);
    defer pool.deinit();
    var blocks: [3][]u8 = undefined;
    for (&blocks, 0..) |*block, i| {
        block.* = pool.acquire().?;
        @memset(block.*, @intCast(i));
    }
    try std.testing.expect(pool.acquire() == null);
    for (blocks, 0..) |block, i| for (block) |byte| try std.testing.expectEqual(@as(u8, @intCast(i)), byte);
    for (blocks) |block| pool.release(block);
    try std.testing.expectEqual(@as(u32, 0), pool.used());
}
