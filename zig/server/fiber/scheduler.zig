//! The fibers of one thread, and whose turn it is. A turn looks for those whose time is up or whose poll says yes, and
//! then runs each ready one once.
//!
//! The ready ones are a list through the fibers themselves, each of which stands in it at most once, so however often one
//! is woken, there is nothing that could overflow.

const std = @import("std");
const assert = std.debug.assert;
const pages = @import("../pages.zig");
const Fiber = @import("../fiber.zig").Fiber;
const Poll = @import("../fiber.zig").Poll;
const Task = @import("../fiber.zig").Task;
const stacks_of = @import("stacks.zig");
const Stacks = stacks_of.Stacks;
const switching = @import("switch.zig");

/// The scheduler whose fibers run on this thread right now.
threadlocal var active: ?*Scheduler = null;

pub const Scheduler = struct {
    stacks: Stacks,
    fibers: []Fiber,
    /// Those that were used and are free again: the last one, whose stack is still in the cache, goes first.
    free: ?*Fiber = null,
    /// Fibers from here on were never used.
    fresh: u32 = 0,
    used: u32 = 0,
    used_max: u32 = 0,
    ready_first: ?*Fiber = null,
    ready_last: ?*Fiber = null,
    ready_len: u32 = 0,
    running: ?*Fiber = null,
    /// How often one was run.
    ran: u64 = 0,
    /// Where the thread's own stack goes on when a fiber leaves.
    thread_pointer: switching.StackPointer = 0,
    thread: std.Thread.Id = 0,
    /// Of the last turn.
    now_ms: u64 = 0,
    /// Fibers that wait for a time, and the earliest of them, or an earlier one that was waited for.
    timed: u32 = 0,
    deadline_ms: u64 = Fiber.never,
    /// Fibers with a poll.
    polled: u32 = 0,
    /// Of them, those that the loop goes on with in any case: a worker doesn't end before.
    owed: u32 = 0,

    pub fn init(count: u32, stack_bytes: usize) error{OutOfMemory}!Scheduler {
        var stacks: Stacks = try .init(count, stack_bytes + stacks_of.panic_bytes);
        errdefer stacks.deinit();
        return .{ .stacks = stacks, .fibers = try pages.reserve(Fiber, count) };
    }

    /// Fibers that are not done are gone, with whatever their frames hold, but not what their tasks were started with.
    pub fn deinit(scheduler: *Scheduler) void {
        assert(scheduler.running == null);
        for (scheduler.fibers[0..scheduler.fresh]) |*fiber| {
            if (fiber.state != .free) fiber.task.discarded(fiber.has_begun);
        }
        pages.release(Fiber, scheduler.fibers);
        scheduler.stacks.deinit();
        scheduler.* = undefined;
    }

    pub fn current() ?*Scheduler {
        return active;
    }

    /// The calling thread becomes that of the fibers.
    pub fn own(scheduler: *Scheduler) void {
        assert(scheduler.used == 0 or scheduler.isOnThread());
        scheduler.thread = std.Thread.getCurrentId();
    }

    pub fn isOnThread(scheduler: *const Scheduler) bool {
        return scheduler.thread == std.Thread.getCurrentId();
    }

    pub fn hasFree(scheduler: *const Scheduler) bool {
        return scheduler.used < scheduler.fibers.len;
    }

    /// Something is to be done without waiting for an event.
    pub fn isReady(scheduler: *const Scheduler) bool {
        return scheduler.ready_len > 0;
    }

    /// Gives the task a fiber, which runs in this turn or the next one. Null when all are taken.
    pub fn start(scheduler: *Scheduler, task: Task) ?*Fiber {
        assert(scheduler.isOnThread());
        const fiber = scheduler.acquire() orelse return null;
        fiber.* = .{
            .scheduler = scheduler,
            .stack_pointer = switching.prepare(scheduler.stacks.get(scheduler.indexOf(fiber)), entry),
            .task = task,
            .next = null,
            .state = .running,
            .has_permit = false,
            .timed_out = false,
            .polled = false,
            .deadline_ms = Fiber.never,
            .poll = null,
            .poll_context = undefined,
            .has_begun = false,
        };
        scheduler.makeReady(fiber);
        return fiber;
    }

    /// Wakes those whose time is up or whose poll says yes, and runs all that were ready then, each until it leaves.
    pub fn turn(scheduler: *Scheduler, now_ms: u64) void {
        assert(scheduler.isOnThread());
        // A scheduler's turn may be a part of another one's thread, but of none of its fibers.
        assert(active == null or active.?.running == null);
        const before = active;
        active = scheduler;
        defer active = before;
        scheduler.now_ms = now_ms;
        if (scheduler.deadline_ms <= now_ms) scheduler.expire();
        if (scheduler.polled > 0) scheduler.askPolls();
        // Those that get ready meanwhile wait for the next turn: events come first.
        for (0..scheduler.ready_len) |_| scheduler.enter(scheduler.takeReady());
    }

    fn enter(scheduler: *Scheduler, fiber: *Fiber) void {
        assert(fiber.state == .ready);
        fiber.state = .running;
        scheduler.running = fiber;
        scheduler.ran += 1;
        switching.switchTo(&scheduler.thread_pointer, fiber.stack_pointer);
        scheduler.running = null;
        if (fiber.state == .done) scheduler.release(fiber);
    }

    /// From the fiber: back to the thread's stack, until it is run again.
    pub fn leave(scheduler: *Scheduler, fiber: *Fiber) void {
        assert(scheduler.running == fiber);
        assert(fiber.state != .running);
        switching.switchTo(&fiber.stack_pointer, scheduler.thread_pointer);
        assert(scheduler.running == fiber);
        assert(fiber.state == .running or fiber.state == .done);
    }

    fn entry() callconv(.c) noreturn {
        const fiber = Fiber.current().?;
        fiber.has_begun = true;
        fiber.task.run(fiber.task.context);
        assert(fiber.state == .running);
        fiber.state = .done;
        fiber.scheduler.leave(fiber);
        unreachable;
    }

    /// From the fiber: parks it.
    pub fn wait(scheduler: *Scheduler, fiber: *Fiber, deadline_ms: u64, poll: ?Poll, context: *anyopaque) void {
        assert(fiber.state == .running);
        fiber.state = .parked;
        fiber.timed_out = false;
        fiber.polled = false;
        fiber.deadline_ms = deadline_ms;
        fiber.poll = poll;
        fiber.poll_context = context;
        if (deadline_ms != Fiber.never) {
            scheduler.timed += 1;
            scheduler.deadline_ms = @min(scheduler.deadline_ms, deadline_ms);
        }
        if (poll != null) scheduler.polled += 1;
        scheduler.leave(fiber);
    }

    pub fn wake(scheduler: *Scheduler, fiber: *Fiber) void {
        assert(fiber.state == .parked);
        if (fiber.deadline_ms != Fiber.never) scheduler.timed -= 1;
        if (fiber.poll != null) scheduler.polled -= 1;
        fiber.deadline_ms = Fiber.never;
        fiber.poll = null;
        if (scheduler.timed == 0) scheduler.deadline_ms = Fiber.never;
        scheduler.makeReady(fiber);
    }

    pub fn makeReady(scheduler: *Scheduler, fiber: *Fiber) void {
        assert(fiber.state == .running or fiber.state == .parked);
        fiber.state = .ready;
        fiber.next = null;
        if (scheduler.ready_last) |last| last.next = fiber else scheduler.ready_first = fiber;
        scheduler.ready_last = fiber;
        scheduler.ready_len += 1;
        assert(scheduler.ready_len <= scheduler.used);
    }

    fn takeReady(scheduler: *Scheduler) *Fiber {
        const fiber = scheduler.ready_first.?;
        scheduler.ready_first = fiber.next;
        if (fiber.next == null) scheduler.ready_last = null;
        fiber.next = null;
        scheduler.ready_len -= 1;
        return fiber;
    }

    fn expire(scheduler: *Scheduler) void {
        var earliest: u64 = Fiber.never;
        for (scheduler.fibers[0..scheduler.fresh]) |*fiber| {
            if (fiber.state != .parked) continue;
            if (fiber.deadline_ms > scheduler.now_ms) {
                earliest = @min(earliest, fiber.deadline_ms);
                continue;
            }
            fiber.timed_out = true;
            scheduler.wake(fiber);
        }
        scheduler.deadline_ms = earliest;
    }

    fn askPolls(scheduler: *Scheduler) void {
        for (scheduler.fibers[0..scheduler.fresh]) |*fiber| {
            if (fiber.state != .parked) continue;
            const poll = fiber.poll orelse continue;
            if (!poll(fiber.poll_context)) continue;
            fiber.polled = true;
            scheduler.wake(fiber);
        }
    }

    fn acquire(scheduler: *Scheduler) ?*Fiber {
        const fiber = fiber: {
            if (scheduler.free) |fiber| {
                assert(fiber.state == .free);
                scheduler.free = fiber.next;
                break :fiber fiber;
            }
            if (scheduler.fresh == scheduler.fibers.len) return null;
            scheduler.fresh += 1;
            break :fiber &scheduler.fibers[scheduler.fresh - 1];
        };
        scheduler.used += 1;
        scheduler.used_max = @max(scheduler.used_max, scheduler.used);
        return fiber;
    }

    fn release(scheduler: *Scheduler, fiber: *Fiber) void {
        assert(fiber.state == .done);
        fiber.state = .free;
        fiber.next = scheduler.free;
        scheduler.free = fiber;
        scheduler.used -= 1;
    }

    fn indexOf(scheduler: *const Scheduler, fiber: *const Fiber) u32 {
        return @intCast((@intFromPtr(fiber) - @intFromPtr(scheduler.fibers.ptr)) / @sizeOf(Fiber));
    }
};
