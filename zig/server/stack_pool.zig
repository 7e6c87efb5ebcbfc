//! The pool of connections: slots side by side in one array, taken and given back in O(1), with a list of those in use for
//! looking after their time-outs. A slot that nobody used yet is not even backed by memory.

const std = @import("std");
const assert = std.debug.assert;
const pages = @import("pages.zig");
const UserData = @import("io.zig").UserData;

/// `Slot` has a `line1.gen_id`, which is 0 while the slot is free, and a `line2.active_list_pos`.
pub fn StackPool(comptime Slot: type) type {
    return struct {
        slots: []Slot,
        /// Slots that were used and are free again: the last one, whose lines are still in the cache, goes first.
        freelist: []u32,
        free_len: u32 = 0,
        /// Slots from here on were never used.
        fresh: u32 = 0,
        /// The indices of the slots in use, in no order.
        live: []u32,
        live_len: u32 = 0,
        generation: u32 = 0,

        const Pool = @This();

        pub fn init(slot_count: u32) error{OutOfMemory}!Pool {
            assert(slot_count > 0);
            assert(slot_count <= UserData.index_max);
            const slots = try pages.reserve(Slot, slot_count);
            errdefer pages.release(Slot, slots);
            const freelist = try pages.reserve(u32, slot_count);
            errdefer pages.release(u32, freelist);
            return .{ .slots = slots, .freelist = freelist, .live = try pages.reserve(u32, slot_count) };
        }

        pub fn deinit(pool: *Pool) void {
            pages.release(Slot, pool.slots);
            pages.release(u32, pool.freelist);
            pages.release(u32, pool.live);
            pool.* = undefined;
        }

        pub fn capacity(pool: *const Pool) u32 {
            return @intCast(pool.slots.len);
        }

        pub fn isFull(pool: *const Pool) bool {
            return pool.live_len == pool.slots.len;
        }

        /// A free slot with a generation that no event in flight has; null when all are taken.
        pub fn acquire(pool: *Pool) ?u32 {
            const index = index: {
                if (pool.free_len > 0) {
                    pool.free_len -= 1;
                    break :index pool.freelist[pool.free_len];
                }
                if (pool.fresh == pool.slots.len) return null;
                pool.fresh += 1;
                break :index pool.fresh - 1;
            };
            const slot = &pool.slots[index];
            assert(slot.line1.gen_id == 0);
            // 0 means free.
            pool.generation = if (pool.generation == std.math.maxInt(u32)) 1 else pool.generation + 1;
            slot.* = .{};
            slot.line1.gen_id = pool.generation;
            slot.line2.active_list_pos = pool.live_len;
            pool.live[pool.live_len] = index;
            pool.live_len += 1;
            return index;
        }

        /// Events that still carry its generation find nobody any more.
        pub fn release(pool: *Pool, index: u32) void {
            const slot = &pool.slots[index];
            assert(slot.line1.gen_id != 0);
            slot.line1.gen_id = 0;
            const position = slot.line2.active_list_pos;
            assert(pool.live[position] == index);
            pool.live_len -= 1;
            const moved = pool.live[pool.live_len];
            pool.live[position] = moved;
            pool.slots[moved].line2.active_list_pos = position;
            pool.freelist[pool.free_len] = index;
            pool.free_len += 1;
            assert(pool.free_len + pool.live_len == pool.fresh);
        }

        /// The slot, if it still holds the connection of that generation.
        pub inline fn get(pool: *Pool, index: u32, gen_id: u32) ?*Slot {
            if (index >= pool.slots.len or gen_id == 0) return null;
            const slot = &pool.slots[index];
            return if (slot.line1.gen_id == gen_id) slot else null;
        }

        pub inline fn indexOf(pool: *const Pool, slot: *const Slot) u32 {
            return @intCast((@intFromPtr(slot) - @intFromPtr(pool.slots.ptr)) / @sizeOf(Slot));
        }

        /// Touches every page, so that the first connections don't pay for it.
        pub fn warmup(pool: *Pool) void {
            const per_page = @max(1, std.heap.page_size_min / @sizeOf(Slot));
            var index: usize = 0;
            while (index < pool.slots.len) : (index += per_page) {
                // A read would only map the page of zeroes.
                const gen_id: *volatile u32 = &pool.slots[index].line1.gen_id;
                gen_id.* = gen_id.*;
            }
            for ([_][]u32{ pool.freelist, pool.live }) |list| {
                index = 0;
                while (index < list.len) : (index += std.heap.page_size_min / @sizeOf(u32)) {
                    const entry: *volatile u32 = &list[index];
                    entry.* = entry.*;
                }
            }
        }
    };
}

const TestSlot = struct {
    line1: struct { gen_id: u32 = 0 } = .{},
    line2: struct { active_list_pos: u32 = 0 } = .{},
};

test "a pool gives each slot once, and all of them back" {
    var pool: StackPool(TestSlot) = try .init(100);
    defer pool.deinit();
    pool.warmup();
    var prng: std.Random.DefaultPrng = .init(1);
    var taken: [100]u32 = undefined;
    var taken_len: usize = 0;
    for (0..10_000) |_| {
        if (prng.random().boolean()) {
            if (pool.acquire()) |index| {
                for (taken[0..taken_len]) |other| try std.testing.expect(other != index);
                taken[taken_len] = index;
                taken_len += 1;
            } else try std.testing.expectEqual(@as(usize, 100), taken_len);
        } else if (taken_len > 0) {
            const at = prng.random().uintLessThan(usize, taken_len);
            pool.release(taken[at]);
            taken_len -= 1;
            taken[at] = taken[taken_len];
        }
        try std.testing.expectEqual(taken_len, pool.live_len);
        for (pool.live[0..pool.live_len], 0..) |index, position| {
            try std.testing.expectEqual(position, pool.slots[index].line2.active_list_pos);
        }
    }
}

test "an event of the last connection finds nobody in the slot's next one" {
    var pool: StackPool(TestSlot) = try .init(1);
    defer pool.deinit();
    const first = pool.acquire().?;
    const gen_id = pool.slots[first].line1.gen_id;
    try std.testing.expect(pool.get(first, gen_id) != null);
    pool.release(first);
    try std.testing.expect(pool.get(first, gen_id) == null);
    try std.testing.expectEqual(first, pool.acquire().?);
    try std.testing.expect(pool.get(first, gen_id) == null);
    try std.testing.expect(pool.get(first, 0) == null);
    try std.testing.expect(pool.acquire() == null);
}
