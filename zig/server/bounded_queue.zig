//! A queue of bounded length that any threads may push to and pop from without a lock: each cell has a number that says
//! whose turn it is (Dmitry Vyukov's bounded MPMC queue).

const std = @import("std");
const assert = std.debug.assert;

pub fn BoundedQueue(comptime T: type) type {
    return struct {
        cells: []Cell,
        /// On lines of their own: pushing threads and the popping one don't disturb each other.
        tail: std.atomic.Value(usize) align(std.atomic.cache_line) = .init(0),
        head: std.atomic.Value(usize) align(std.atomic.cache_line) = .init(0),

        const Queue = @This();
        const Cell = struct {
            /// The position whose value may be pushed here; one more once it was, and popping may begin.
            sequence: std.atomic.Value(usize),
            value: T,
        };

        /// `capacity` is a power of two, and not 1: a full cell and a free one would have the same number.
        pub fn init(allocator: std.mem.Allocator, capacity: usize) error{OutOfMemory}!Queue {
            assert(std.math.isPowerOfTwo(capacity));
            assert(capacity >= 2);
            const cells = try allocator.alloc(Cell, capacity);
            for (cells, 0..) |*cell, i| cell.sequence = .init(i);
            return .{ .cells = cells };
        }

        pub fn deinit(queue: *Queue, allocator: std.mem.Allocator) void {
            allocator.free(queue.cells);
            queue.* = undefined;
        }

        /// False when the queue is full.
        pub fn push(queue: *Queue, value: T) bool {
            var position = queue.tail.load(.monotonic);
            while (true) {
                const cell = &queue.cells[position & (queue.cells.len - 1)];
                const behind: isize = @bitCast(cell.sequence.load(.acquire) -% position);
                if (behind == 0) {
                    position = queue.tail.cmpxchgWeak(position, position +% 1, .monotonic, .monotonic) orelse {
                        cell.value = value;
                        cell.sequence.store(position +% 1, .release);
                        return true;
                    };
                } else if (behind < 0) {
                    return false;
                } else position = queue.tail.load(.monotonic);
            }
        }

        /// Null when the queue is empty, or its next value is still being written.
        pub fn pop(queue: *Queue) ?T {
            var position = queue.head.load(.monotonic);
            while (true) {
                const cell = &queue.cells[position & (queue.cells.len - 1)];
                const behind: isize = @bitCast(cell.sequence.load(.acquire) -% (position +% 1));
                if (behind == 0) {
                    position = queue.head.cmpxchgWeak(position, position +% 1, .monotonic, .monotonic) orelse {
                        const value = cell.value;
                        cell.sequence.store(position +% queue.cells.len, .release);
                        return value;
                    };
                } else if (behind < 0) {
                    return null;
                } else position = queue.head.load(.monotonic);
            }
        }
    };
}

test "a full queue takes nothing, and gives what it took in order" {
    for ([_]usize{ 2, 4, 64 }) |capacity| {
        var queue: BoundedQueue(u32) = try .init(std.testing.allocator, capacity);
        defer queue.deinit(std.testing.allocator);
        for (0..3) |round| {
            for (0..capacity) |i| try std.testing.expect(queue.push(@intCast(100 * round + i)));
            try std.testing.expect(!queue.push(99));
            for (0..capacity) |i| try std.testing.expectEqual(@as(?u32, @intCast(100 * round + i)), queue.pop());
            try std.testing.expectEqual(@as(?u32, null), queue.pop());
        }
    }
}

test "threads lose nothing and double nothing" {
    const per_thread = 20_000;
    const Pushing = struct {
        fn run(queue: *BoundedQueue(u32), first: u32) void {
            for (0..per_thread) |i| {
                while (!queue.push(first + @as(u32, @intCast(i)))) std.Thread.yield() catch unreachable;
            }
        }
    };
    var queue: BoundedQueue(u32) = try .init(std.testing.allocator, 64);
    defer queue.deinit(std.testing.allocator);
    var threads: [3]std.Thread = undefined;
    for (&threads, 0..) |*thread, i| thread.* = try .spawn(.{}, Pushing.run, .{ &queue, @as(u32, @intCast(i * per_thread)) });
    var next: [3]u32 = .{ 0, per_thread, 2 * per_thread };
    for (0..3 * per_thread) |_| {
        const value = while (true) break queue.pop() orelse {
            std.Thread.yield() catch unreachable;
            continue;
        };
        const from = value / per_thread;
        try std.testing.expectEqual(next[from], value);
        next[from] += 1;
    }
    for (threads) |thread| thread.join();
    try std.testing.expectEqual(@as(?u32, null), queue.pop());
}
