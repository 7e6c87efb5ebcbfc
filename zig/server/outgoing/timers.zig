//! Times at which something on the loop's thread is to be done. The loop sleeps no longer than until the earliest, so no
//! operation of the kernel's is spent on them. Timers lie in what they belong to.

const std = @import("std");
const assert = std.debug.assert;

pub const never = std.math.maxInt(u64);

pub const Timer = struct {
    on: *const fn (timer: *Timer) void,
    at_ms: u64 = never,
    node: std.DoublyLinkedList.Node = .{},

    pub fn isSet(timer: *const Timer) bool {
        return timer.at_ms != never;
    }
};

pub const Timers = struct {
    /// In no order: a few hundred at most, which are only looked at when one of them is over.
    list: std.DoublyLinkedList = .{},
    /// None is earlier.
    next_ms: u64 = never,

    pub fn set(timers: *Timers, timer: *Timer, at_ms: u64) void {
        if (at_ms == never) return timers.cancel(timer);
        if (!timer.isSet()) timers.list.append(&timer.node);
        timer.at_ms = at_ms;
        timers.next_ms = @min(timers.next_ms, at_ms);
    }

    pub fn cancel(timers: *Timers, timer: *Timer) void {
        if (!timer.isSet()) return;
        timer.at_ms = never;
        timers.list.remove(&timer.node);
    }

    /// Calls those whose time has come. They may set and cancel any.
    pub fn tick(timers: *Timers, now_ms: u64) void {
        while (now_ms >= timers.next_ms) {
            timers.next_ms = never;
            const timer = timers.takeOver(now_ms) orelse return;
            // There may be others: from the beginning, as this one may change the list.
            timers.next_ms = 0;
            timer.on(timer);
        }
    }

    /// The earliest of those that are over.
    fn takeOver(timers: *Timers, now_ms: u64) ?*Timer {
        var earliest: ?*Timer = null;
        var node = timers.list.first;
        while (node) |one| : (node = one.next) {
            const timer: *Timer = @fieldParentPtr("node", one);
            assert(timer.isSet());
            if (earliest == null or timer.at_ms < earliest.?.at_ms) earliest = timer;
        }
        const timer = earliest orelse return null;
        timers.next_ms = timer.at_ms;
        if (timer.at_ms > now_ms) return null;
        timers.cancel(timer);
        return timer;
    }
};

const Chain = struct {
    timer: Timer = .{ .on = onTimer },
    timers: *Timers,
    fired: u32 = 0,
    next: ?*Chain = null,

    fn onTimer(timer: *Timer) void {
        const chain: *Chain = @fieldParentPtr("timer", timer);
        chain.fired += 1;
        if (chain.next) |next| chain.timers.cancel(&next.timer);
        if (chain.fired == 1) chain.timers.set(timer, 30);
    }
};

test "timers are called once when they are over, and may change each other" {
    var timers: Timers = .{};
    var second: Chain = .{ .timers = &timers };
    var first: Chain = .{ .timers = &timers, .next = &second };
    timers.set(&second.timer, 20);
    timers.set(&first.timer, 10);
    timers.tick(9);
    try std.testing.expectEqual(@as(u32, 0), first.fired);
    try std.testing.expectEqual(@as(u64, 10), timers.next_ms);
    timers.tick(25);
    try std.testing.expectEqual(@as(u32, 1), first.fired);
    // The first one came first, and took the other one's back.
    try std.testing.expectEqual(@as(u32, 0), second.fired);
    try std.testing.expectEqual(@as(u64, 30), timers.next_ms);
    timers.tick(30);
    try std.testing.expectEqual(@as(u32, 2), first.fired);
    try std.testing.expectEqual(never, timers.next_ms);
}
