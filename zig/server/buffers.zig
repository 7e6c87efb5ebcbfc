//! The memory of what connections keep for a while: a head that is not whole yet, a body that arrives, answers that are
//! not sent yet. Eight classes from 512 bytes to 64 KB, and behind them the blocks of `LargeBufferPool`. An idle
//! connection has none of it.
//!
//! All is reserved at the start and nothing grows: who asks in vain has to do without, and says so to its client.

const std = @import("std");
const assert = std.debug.assert;
const pages = @import("pages.zig");
const LargeBufferPool = @import("large_buffer_pool.zig").LargeBufferPool;

/// Less is hardly ever asked for: it holds most heads and small answers.
const class_bytes_min = 512;
pub const class_count = 8;
/// What the largest class holds.
pub const tier_bytes_max = class_bytes_min << (class_count - 1);
/// The class of a `Buffer` whose memory is a block of the large pool.
const class_large: u8 = class_count;

/// A piece of pooled memory with `len` bytes in it.
pub const Buffer = struct {
    ptr: ?[*]u8 = null,
    len: u32 = 0,
    capacity: u32 = 0,
    class: u8 = 0,

    pub fn bytes(buffer: *const Buffer) []u8 {
        return if (buffer.ptr) |ptr| ptr[0..buffer.len] else &.{};
    }

    /// The room behind the bytes.
    pub fn unused(buffer: *const Buffer) []u8 {
        return if (buffer.ptr) |ptr| ptr[buffer.len..buffer.capacity] else &.{};
    }

    pub fn isEmpty(buffer: *const Buffer) bool {
        return buffer.len == 0;
    }
};

/// One class: blocks of one size, chained through themselves when they are free.
const Class = struct {
    memory: []u8,
    block_bytes: u32,
    block_count: u32,
    fresh: u32 = 0,
    free: ?*Free = null,
    used: u32 = 0,

    const Free = struct { next: ?*Free };

    fn acquire(class: *Class) ?[*]u8 {
        if (class.free) |block| {
            class.free = block.next;
            class.used += 1;
            return @ptrCast(block);
        }
        if (class.fresh == class.block_count) return null;
        class.fresh += 1;
        class.used += 1;
        return class.memory.ptr + @as(usize, class.fresh - 1) * class.block_bytes;
    }

    fn release(class: *Class, ptr: [*]u8) void {
        assert(@intFromPtr(ptr) >= @intFromPtr(class.memory.ptr));
        const offset = @intFromPtr(ptr) - @intFromPtr(class.memory.ptr);
        assert(offset % class.block_bytes == 0);
        assert(offset < class.memory.len);
        assert(class.used > 0);
        class.used -= 1;
        const block: *Free = @ptrCast(@alignCast(ptr));
        block.next = class.free;
        class.free = block;
    }
};

pub const Buffers = struct {
    classes: [class_count]Class,
    large: LargeBufferPool,
    /// How often somebody had to do without.
    refused: u64 = 0,

    /// `class_bytes` is the memory of one class.
    pub fn init(class_bytes: usize, large_count: u32, large_bytes: u32) error{OutOfMemory}!Buffers {
        assert(class_bytes >= tier_bytes_max);
        assert(large_bytes >= tier_bytes_max);
        var large: LargeBufferPool = try .initSize(large_count, large_bytes);
        errdefer large.deinit();
        var classes: [class_count]Class = undefined;
        var len: usize = 0;
        errdefer for (classes[0..len]) |class| pages.release(u8, class.memory);
        while (len < class_count) : (len += 1) {
            const block_bytes = @as(u32, class_bytes_min) << @intCast(len);
            const block_count = class_bytes / block_bytes;
            classes[len] = .{
                .memory = try pages.reserve(u8, block_count * block_bytes),
                .block_bytes = block_bytes,
                .block_count = @intCast(block_count),
            };
        }
        return .{ .classes = classes, .large = large };
    }

    pub fn deinit(buffers: *Buffers) void {
        for (buffers.classes) |class| pages.release(u8, class.memory);
        buffers.large.deinit();
        buffers.* = undefined;
    }

    /// The largest that can be asked for.
    pub fn bytesMax(buffers: *const Buffers) usize {
        return if (buffers.large.count() > 0) buffers.large.block_bytes else tier_bytes_max;
    }

    /// Pieces in use. 0 when no connection keeps anything.
    pub fn used(buffers: *const Buffers) usize {
        var sum: usize = buffers.large.used();
        for (buffers.classes) |class| sum += class.used;
        return sum;
    }

    /// A buffer for at least `bytes_min`: of the class that fits, or of a larger one when that is used up.
    pub fn acquire(buffers: *Buffers, bytes_min: usize) ?Buffer {
        if (buffers.acquireTiered(bytes_min, .all)) |buffer| return buffer;
        if (bytes_min <= buffers.large.block_bytes) {
            if (buffers.large.acquire()) |block| {
                return .{ .ptr = block.ptr, .capacity = @intCast(block.len), .class = class_large };
            }
        }
        buffers.refused += 1;
        return null;
    }

    fn acquireTiered(buffers: *Buffers, bytes_min: usize, share: Share) ?Buffer {
        var class: u8 = classOf(bytes_min);
        while (class < class_count) : (class += 1) {
            const of = &buffers.classes[class];
            if (share == .spare and of.used >= of.block_count - of.block_count / spared_part) continue;
            const ptr = of.acquire() orelse continue;
            return .{ .ptr = ptr, .capacity = of.block_bytes, .class = class };
        }
        return null;
    }

    /// What somebody may take: all there is, or what others can spare.
    const Share = enum { all, spare };

    /// Of each class, for those who can't do without.
    const spared_part = 4;

    pub fn release(buffers: *Buffers, buffer: *Buffer) void {
        const ptr = buffer.ptr orelse return;
        if (buffer.class == class_large) {
            buffers.large.release(ptr[0..buffer.capacity]);
        } else {
            buffers.classes[buffer.class].release(ptr);
        }
        buffer.* = .{};
    }

    /// Makes room for `additional` bytes behind those that are there, which may move. False when there is none to be had.
    pub fn reserve(buffers: *Buffers, buffer: *Buffer, additional: usize) bool {
        return buffers.grow(buffer, additional, .all);
    }

    fn grow(buffers: *Buffers, buffer: *Buffer, additional: usize, share: Share) bool {
        if (buffer.capacity - buffer.len >= additional) return true;
        const wanted = buffer.len + additional;
        // At least twice as much, so that growing copies every byte only a few times.
        const generous = @max(wanted, @min(2 * @as(usize, buffer.capacity), buffers.bytesMax()));
        var larger = switch (share) {
            .all => buffers.acquire(generous),
            .spare => buffers.acquireTiered(generous, share),
        } orelse return false;
        @memcpy(larger.ptr.?[0..buffer.len], buffer.bytes());
        larger.len = buffer.len;
        buffers.release(buffer);
        buffer.* = larger;
        return true;
    }

    pub fn append(buffers: *Buffers, buffer: *Buffer, bytes: []const u8) bool {
        if (!buffers.reserve(buffer, bytes.len)) return false;
        @memcpy(buffer.unused()[0..bytes.len], bytes);
        buffer.len += @intCast(bytes.len);
        return true;
    }

    /// For a copy that saves work, and that its owner can do without: takes no large block, and a part of no class.
    pub fn appendSpare(buffers: *Buffers, buffer: *Buffer, bytes: []const u8) bool {
        if (!buffers.grow(buffer, bytes.len, .spare)) return false;
        @memcpy(buffer.unused()[0..bytes.len], bytes);
        buffer.len += @intCast(bytes.len);
        return true;
    }

    fn classOf(bytes_min: usize) u8 {
        if (bytes_min <= class_bytes_min) return 0;
        if (bytes_min > tier_bytes_max) return class_large;
        return @intCast(std.math.log2_int_ceil(usize, bytes_min) - std.math.log2_int(usize, class_bytes_min));
    }
};

test "the class is the smallest that fits" {
    try std.testing.expectEqual(@as(u8, 0), Buffers.classOf(0));
    try std.testing.expectEqual(@as(u8, 0), Buffers.classOf(512));
    try std.testing.expectEqual(@as(u8, 1), Buffers.classOf(513));
    try std.testing.expectEqual(@as(u8, 1), Buffers.classOf(1024));
    try std.testing.expectEqual(@as(u8, 7), Buffers.classOf(65_536));
    try std.testing.expectEqual(class_large, Buffers.classOf(65_537));
}

test "a buffer that grows keeps its bytes, and leaves nothing behind" {
    var buffers: Buffers = try .init(tier_bytes_max, 2, 1 << 20);
    defer buffers.deinit();
    var buffer: Buffer = .{};
    for (0..300) |i| {
        const chunk: [1000]u8 = @splat(@truncate(i));
        try std.testing.expect(buffers.append(&buffer, &chunk));
        try std.testing.expectEqual(@as(usize, 1), buffers.used());
    }
    for (buffer.bytes(), 0..) |byte, at| try std.testing.expectEqual(@as(u8, @truncate(at / 1000)), byte);
    buffers.release(&buffer);
    try std.testing.expectEqual(@as(usize, 0), buffers.used());
    try std.testing.expect(buffer.ptr == null);
}

test "who can do without leaves a quarter of each class and all large blocks to others" {
    var buffers: Buffers = try .init(4 * tier_bytes_max, 1, 1 << 20);
    defer buffers.deinit();
    const bytes: [tier_bytes_max]u8 = @splat('x');
    var all: [4]Buffer = @splat(.{});
    for (all[0..3]) |*buffer| try std.testing.expect(buffers.appendSpare(buffer, &bytes));
    try std.testing.expect(!buffers.appendSpare(&all[3], &bytes));
    try std.testing.expect(all[3].isEmpty());
    // It had to do without, as it can.
    try std.testing.expectEqual(@as(u64, 0), buffers.refused);
    try std.testing.expect(buffers.append(&all[3], &bytes));
    for (&all) |*buffer| buffers.release(buffer);
    try std.testing.expectEqual(@as(usize, 0), buffers.used());
}

test "who asks for more than there is gets nothing, and what it had stays" {
    var buffers: Buffers = try .init(tier_bytes_max, 1, 1 << 20);
    defer buffers.deinit();
    var buffer: Buffer = .{};
    try std.testing.expect(buffers.append(&buffer, "abc"));
    try std.testing.expect(!buffers.reserve(&buffer, 1 << 20));
    try std.testing.expectEqualStrings("abc", buffer.bytes());

    // One block of 64 KB and one large one are all that hold that much.
    var first = buffers.acquire(tier_bytes_max).?;
    var second = buffers.acquire(tier_bytes_max).?;
    try std.testing.expect(buffers.acquire(tier_bytes_max) == null);
    try std.testing.expectEqual(@as(u64, 2), buffers.refused);
    for ([_]*Buffer{ &first, &second, &buffer }) |each| buffers.release(each);
    try std.testing.expectEqual(@as(usize, 0), buffers.used());
}
