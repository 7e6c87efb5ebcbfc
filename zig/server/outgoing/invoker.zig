//! Calls from any thread to the loop's: a bounded lock-free queue, and the loop's alarm clock.

const std = @import("std");
const deferred_of = @import("../deferred.zig");

pub fn InvokerType(comptime IO: type) type {
    return struct {
        queue: deferred_of.InvokeQueue,
        /// Null until the loop begins. It looks at the queue then, whoever pushed before.
        ring: std.atomic.Value(?*IO) = .init(null),
        /// The call that runs has asked for another turn, and has got one.
        is_repeated: bool = false,
        repeated: ?deferred_of.Invoke = null,

        const Invoker = @This();

        /// Calls of one turn.
        const calls_per_turn_max = 1024;

        pub fn init(allocator: std.mem.Allocator, capacity: usize) error{OutOfMemory}!Invoker {
            return .{ .queue = try .init(allocator, capacity) };
        }

        /// The loop has ended, and nobody pushes any more.
        pub fn deinit(invoker: *Invoker, allocator: std.mem.Allocator) void {
            invoker.discardAll();
            invoker.queue.deinit(allocator);
            invoker.* = undefined;
        }

        /// From any thread: `run(context, allocator)` runs on the loop's thread. False when too many wait already.
        pub fn push(
            invoker: *Invoker,
            run: *const fn (context: *anyopaque, allocator: std.mem.Allocator) void,
            context: *anyopaque,
        ) bool {
            return invoker.pushCall(.{ .run = run, .context = context });
        }

        /// The same, of what has to be given back where the loop ends before.
        pub fn pushCall(invoker: *Invoker, call: deferred_of.Invoke) bool {
            if (!invoker.queue.push(call)) return false;
            if (invoker.ring.load(.seq_cst)) |ring| ring.wake();
            return true;
        }

        /// The loop has ended: calls are not run any more.
        pub fn discardAll(invoker: *Invoker) void {
            while (invoker.takeNext()) |call| if (call.discard) |discard| discard(call.context);
        }

        /// By the call that runs: it can't be done now, and comes again in the next turn, before all others.
        pub fn repeat(invoker: *Invoker) void {
            invoker.is_repeated = true;
        }

        fn takeNext(invoker: *Invoker) ?deferred_of.Invoke {
            defer invoker.repeated = null;
            return invoker.repeated orelse invoker.queue.pop();
        }

        /// On the loop's thread.
        pub fn drain(invoker: *Invoker, allocator: std.mem.Allocator) void {
            for (0..calls_per_turn_max) |_| {
                const invoke = invoker.takeNext() orelse return;
                invoke.run(invoke.context, allocator);
                if (!invoker.is_repeated) continue;
                invoker.is_repeated = false;
                invoker.repeated = invoke;
                break;
            }
            // The rest in the next turn, which begins at once.
            invoker.ring.raw.?.wake();
        }
    };
}
