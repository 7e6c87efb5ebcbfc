//! Rings beside the server's own, which its loop drives: no thread of theirs, and no lock. The completions of each end the
//! loop's sleep; in every turn the loop then takes what happened on all of them.

const std = @import("std");

/// What a ring has to be for the loop. `tickFn` does, without waiting: calls from other threads, submitting, taking
/// completions, giving them to the registry, and what takes too long.
pub const RingTrait = struct {
    ptr: *anyopaque,
    tickFn: *const fn (ptr: *anyopaque) void,
    /// When the next thing that takes too long does, on the server's clock; the loop sleeps no longer. Without one it doesn't sleep
    /// longer than `tick_interval_ms`: for rings whose completions don't end its sleep either.
    nextDeadlineFn: ?*const fn (ptr: *anyopaque) u64 = null,
    /// The loop ends: all connections are closed, and those who wait for them told. May be called again.
    closeAllFn: ?*const fn (ptr: *anyopaque) void = null,
};

pub const FiberShared = struct {
    allocator: std.mem.Allocator,
    rings: std.ArrayList(RingTrait),

    /// Each has a ring's memory in the kernel; one for each protocol is what they are for.
    pub const rings_max = 16;

    pub fn init(allocator: std.mem.Allocator) error{OutOfMemory}!FiberShared {
        return .{ .allocator = allocator, .rings = try .initCapacity(allocator, rings_max) };
    }

    pub fn deinit(shared: *FiberShared) void {
        shared.rings.deinit(shared.allocator);
        shared.* = undefined;
    }

    /// Before the loop begins, or on its thread.
    pub fn register(shared: *FiberShared, ring: RingTrait) error{TooManyRings}!void {
        if (shared.rings.items.len == rings_max) return error.TooManyRings;
        shared.rings.appendAssumeCapacity(ring);
    }

    /// In every turn of the loop.
    pub fn tick(shared: *FiberShared) void {
        for (shared.rings.items) |ring| ring.tickFn(ring.ptr);
    }

    /// The loop ends.
    pub fn closeAll(shared: *FiberShared) void {
        for (shared.rings.items) |ring| if (ring.closeAllFn) |closeAllOf| closeAllOf(ring.ptr);
    }

    /// `tick_ms` is when the loop ticks in any case if one of them doesn't know better.
    pub fn nextDeadline(shared: *const FiberShared, tick_ms: u64) u64 {
        var next: u64 = std.math.maxInt(u64);
        for (shared.rings.items) |ring| next = @min(next, if (ring.nextDeadlineFn) |deadline| deadline(ring.ptr) else tick_ms);
        return next;
    }
};

const Counting = struct {
    ticks: u32 = 0,
    closes: u32 = 0,

    fn tick(ptr: *anyopaque) void {
        const counting: *Counting = @ptrCast(@alignCast(ptr));
        counting.ticks += 1;
    }

    fn nextDeadline(ptr: *anyopaque) u64 {
        const counting: *Counting = @ptrCast(@alignCast(ptr));
        return 100 - counting.ticks;
    }

    fn closeAll(ptr: *anyopaque) void {
        const counting: *Counting = @ptrCast(@alignCast(ptr));
        counting.closes += 1;
    }
};

test "every ring is ticked, and there are only so many" {
    var shared: FiberShared = try .init(std.testing.allocator);
    defer shared.deinit();
    try std.testing.expectEqual(std.math.maxInt(u64), shared.nextDeadline(5));
    var rings: [FiberShared.rings_max]Counting = @splat(.{});
    for (&rings) |*ring| try shared.register(.{
        .ptr = ring,
        .tickFn = Counting.tick,
        .nextDeadlineFn = Counting.nextDeadline,
        .closeAllFn = Counting.closeAll,
    });
    try std.testing.expectError(error.TooManyRings, shared.register(shared.rings.items[0]));
    shared.tick();
    Counting.tick(&rings[7]);
    for (&rings, 0..) |*ring, i| try std.testing.expectEqual(@as(u32, if (i == 7) 2 else 1), ring.ticks);
    try std.testing.expectEqual(@as(u64, 98), shared.nextDeadline(200));
    shared.closeAll();
    for (&rings) |*ring| try std.testing.expectEqual(@as(u32, 1), ring.closes);
    // As the seed's: it says neither when, nor has it anything to close.
    shared.rings.items[0] = .{ .ptr = &rings[0], .tickFn = Counting.tick };
    try std.testing.expectEqual(@as(u64, 50), shared.nextDeadline(50));
    shared.closeAll();
    try std.testing.expectEqual(@as(u32, 1), rings[0].closes);
}
