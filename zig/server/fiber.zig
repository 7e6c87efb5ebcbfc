//! A flow of control with a stack of its own, that others of its thread run beside: it goes on until it yields or parks,
//! and later from there, with its frame as it was. Fibers never move between threads.
//!
//! ```
//! fn waitForReply(request: *Request) Reply {
//!     request.fiber = sws.Fiber.current().?;
//!     request.send(onReply);                              // onReply: request.reply = ...; request.fiber.unpark();
//!     while (request.reply == null) sws.Fiber.park();     // in a loop: a park may end early
//!     return request.reply.?;
//! }
//! ```
//!
//! What runs on a fiber: the tasks of `Next` and handlers made by `yielding`. What doesn't: every other handler, hooks, and
//! callbacks of events, which run to their end on the loop's stack; they may call `unpark`, and nothing here that waits.

const std = @import("std");
const assert = std.debug.assert;
const Scheduler = @import("fiber/scheduler.zig").Scheduler;

/// What a fiber is to run. It may be started with an argument that lives as long as it runs.
pub const Task = struct {
    run: *const fn (context: *anyopaque) void,
    context: *anyopaque,
    /// The end has come before the task's: it has not begun, or will never go on from where it waits.
    discard: ?*const fn (context: *anyopaque, has_begun: bool) void = null,

    pub fn discarded(task: *const Task, has_begun: bool) void {
        if (task.discard) |discard| discard(task.context, has_begun);
    }
};

/// Whether what a fiber waits for has happened.
pub const Poll = *const fn (context: *anyopaque) bool;

pub const Fiber = struct {
    scheduler: *Scheduler,
    stack_pointer: usize,
    task: Task,
    /// The next one of the list it stands in: the free ones or the ready ones, one of them at most.
    next: ?*Fiber,
    state: State,
    /// An `unpark` came while it ran: its next `park` returns at once.
    has_permit: bool,
    timed_out: bool,
    /// Its poll said yes, which is why it goes on.
    polled: bool,
    has_begun: bool,
    /// When a parked one goes on in any case; `never` for most.
    deadline_ms: u64,
    /// Looked at once a turn while it is parked.
    poll: ?Poll,
    poll_context: *anyopaque,

    pub const State = enum(u8) {
        free,
        /// Will run in this turn or the next one.
        ready,
        running,
        parked,
        /// Its task has ended, on its stack still.
        done,
    };

    pub const never = std.math.maxInt(u64);

    /// The fiber that the calling code runs on; null on the stack of a thread, and so in all handlers that are no fibers.
    pub fn current() ?*Fiber {
        const scheduler = Scheduler.current() orelse return null;
        return scheduler.running;
    }

    /// Lets everything else of this thread run once.
    pub fn yield() void {
        const fiber = own("yield");
        fiber.scheduler.makeReady(fiber);
        fiber.scheduler.leave(fiber);
    }

    /// Waits for an `unpark`. May return without one, when an earlier one came too late for what it was meant for: callers ask
    /// again whether what they wait for has happened.
    pub fn park() void {
        _ = parkUntil(never);
    }

    /// The same, until the loop's clock shows `deadline_ms` at most. Says whether that is why it returned.
    pub fn parkUntil(deadline_ms: u64) enum { unparked, timed_out } {
        const fiber = own("park");
        if (fiber.has_permit) {
            fiber.has_permit = false;
            return .unparked;
        }
        fiber.scheduler.wait(fiber, deadline_ms, null, undefined);
        return if (fiber.timed_out) .timed_out else .unparked;
    }

    /// Waits for so many milliseconds at least.
    pub fn sleep(duration_ms: u64) void {
        const until_ms = own("sleep").scheduler.now_ms +| duration_ms;
        while (parkUntil(until_ms) == .unparked) {}
    }

    /// Waits until `poll` says that it happened, which is asked once a turn: for what has no event, as work on a GPU. On a worker
    /// as on the loop's thread, where turns follow each other as soon as something happens, and every `tick_interval_ms`. Once it
    /// has said yes it isn't asked again: it may have consumed what it found.
    pub fn workerYield(poll: Poll, context: *anyopaque) void {
        const fiber = own("workerYield");
        while (!poll(context)) {
            fiber.scheduler.wait(fiber, never, poll, context);
            if (fiber.polled) return;
        }
    }

    /// Ends its `park`, or the next one if it runs. Only from the fiber's thread: other threads come by `invokeOnIoThread`.
    pub fn unpark(fiber: *Fiber) void {
        assert(fiber.scheduler.isOnThread());
        switch (fiber.state) {
            .running, .ready => fiber.has_permit = true,
            .parked => fiber.scheduler.wake(fiber),
            // Whoever wakes it holds a pointer to what has ended.
            .free, .done => unreachable,
        }
    }

    fn own(comptime what: []const u8) *Fiber {
        return current() orelse @panic("Fiber." ++ what ++ " on a stack that is no fiber's: only tasks of Next and yielding handlers may wait");
    }
};

test {
    _ = @import("fiber/switch.zig");
    _ = @import("fiber/stacks.zig");
    _ = @import("fiber/scheduler.zig");
    _ = @import("fiber_test.zig");
}
