//! Equal things in one array that is reserved at the start, by their indices: those that were given back are chained through
//! themselves. What nobody used yet is not even backed by memory.

const std = @import("std");
const assert = std.debug.assert;
const pages = @import("pages.zig");

/// Ends a chain.
pub const none = std.math.maxInt(u32);

/// `T` has a field `next`, which is its owner's while it is in use.
pub fn Slab(comptime T: type) type {
    return struct {
        items: []T,
        free_first: u32 = none,
        /// Items from here on were never used.
        fresh: u32 = 0,
        used: u32 = 0,

        const Self = @This();

        pub fn init(count: u32) error{OutOfMemory}!Self {
            assert(count < none);
            return .{ .items = try pages.reserve(T, count) };
        }

        pub fn deinit(slab: *Self) void {
            pages.release(T, slab.items);
            slab.* = undefined;
        }

        pub fn unused(slab: *const Self) usize {
            return slab.items.len - slab.used;
        }

        /// Its content is what its last owner left.
        pub fn acquire(slab: *Self) ?u32 {
            const index = index: {
                if (slab.free_first != none) {
                    defer slab.free_first = slab.items[slab.free_first].next;
                    break :index slab.free_first;
                }
                if (slab.fresh == slab.items.len) return null;
                slab.fresh += 1;
                break :index slab.fresh - 1;
            };
            slab.used += 1;
            return index;
        }

        pub fn release(slab: *Self, index: u32) void {
            assert(slab.used > 0);
            slab.used -= 1;
            slab.items[index].next = slab.free_first;
            slab.free_first = index;
        }
    };
}

test "items are given out once, and again when they came back" {
    const Item = struct { next: u32, value: u32 };
    var slab: Slab(Item) = try .init(3);
    defer slab.deinit();
    for (0..4) |_| {
        var seen: [3]bool = @splat(false);
        for (0..3) |_| {
            const index = slab.acquire().?;
            try std.testing.expect(!seen[index]);
            seen[index] = true;
        }
        try std.testing.expectEqual(null, slab.acquire());
        try std.testing.expectEqual(@as(usize, 0), slab.unused());
        for ([_]u32{ 1, 0, 2 }) |index| slab.release(index);
    }
}
