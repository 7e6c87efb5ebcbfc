//! Work that a handler leaves to others and is answered for later: `Next.go` runs it on a fiber of the loop's thread, for
//! what waits for I/O; `Next.submit` on a worker's thread, for what computes or blocks.
//!
//! ```
//! const Ctx = struct { allocator: std.mem.Allocator, resp: *sws.DeferredResponse };
//!
//! fn exec(c: *Ctx, complete: *const fn (?*anyopaque, []const u8) void) void {
//!     defer c.allocator.destroy(c);
//!     defer c.allocator.destroy(c.resp);
//!     c.resp.json(200, "[{\"id\":1}]");
//!     complete(c, "");
//! }
//!
//! fn handler(allocator: std.mem.Allocator, ctx: *sws.Context) anyerror!void {
//!     const server: *sws.AsyncServer = @ptrCast(@alignCast(ctx.server.?));
//!     const resp = try allocator.create(sws.DeferredResponse);
//!     errdefer allocator.destroy(resp);
//!     resp.* = .{ .server = server, .conn_id = ctx.conn_id, .allocator = allocator };
//!     ctx.deferred = true;
//!     try sws.Next.go(Ctx, .{ .allocator = allocator, .resp = resp }, exec);
//! }
//! ```
//!
//! **Whose the context is.** It is copied from the caller's. A `Ctx` with a field `allocator` is copied by that allocator and
//! belongs to `exec`, which destroys it with the same one, as above. Any other is the task's: it is freed when `exec` returns.
//!
//! **`complete(c, result)`** calls `Ctx.onComplete(c, result)` on the loop's thread, where a `Ctx` has one, and returns when that
//! has; nobody else waits for it. Where the loop has ended before, it returns without.
//!
//! **At the server's end** what isn't done is given up after `Config.stop_timeout_ms`. A `Ctx` with `onDiscard(c)` is told so: one
//! without `allocator` in any case, one that belongs to `exec` only where that has not begun. Then the context is freed.
//!
//! **Limits.** Tasks wait in a queue of `Config.tasks_max` for one of `Config.fibers_max` fibers, or for a worker. A full one is
//! `error.TooManyTasks`: a handler that returns it has its client told 503.

const std = @import("std");
const assert = std.debug.assert;
const Config = @import("config.zig").Config;
const ContentType = @import("context.zig").ContentType;
const Fiber = @import("fiber.zig").Fiber;
const Invoke = @import("deferred.zig").Invoke;
const Scheduler = @import("fiber/scheduler.zig").Scheduler;
const Task = @import("fiber.zig").Task;
const Workers = @import("next/workers.zig").Workers;

/// Of the server whose loop, or one of whose workers, this thread is.
threadlocal var current: ?*Next = null;

pub const Complete = *const fn (context: ?*anyopaque, result: []const u8) void;

pub const GoError = error{
    /// As many wait already as may.
    TooManyTasks,
    /// The calling thread is not that of a loop: from there `invokeOnIoThread` leads to it.
    NotOnLoop,
    OutOfMemory,
};

pub const SubmitError = error{
    TooManyTasks,
    /// `initPool4NextSubmit` was not called.
    NoWorkers,
    /// The calling thread is neither a loop's nor a worker's.
    NotOnLoop,
    OutOfMemory,
};

/// What leads from a task to its loop.
pub const Loop = struct {
    server: *anyopaque,
    /// Answers a deferred request with copies of fields (packed) and body.
    respond: *const fn (server: *anyopaque, conn_id: u64, status: u16, content_type: ContentType, fields: []const u8, body: []const u8) void,
    /// False when too many calls wait.
    invoke: *const fn (server: *anyopaque, call: Invoke) bool,
};

pub const Next = struct {
    allocator: std.mem.Allocator,
    scheduler: Scheduler,
    /// Tasks that wait for a fiber, oldest first, from `first` on and around.
    waiting: []Task,
    waiting_first: u32 = 0,
    waiting_len: u32 = 0,
    workers: ?*Workers = null,
    loop: ?Loop = null,
    /// Tasks that were refused because too many waited.
    refused: u64 = 0,
    /// Tasks that the server's end did not wait for any longer.
    abandoned: u64 = 0,

    pub fn init(allocator: std.mem.Allocator, config: *const Config) error{OutOfMemory}!Next {
        var scheduler: Scheduler = try .init(config.fibers_max, config.fiberStackBytes());
        errdefer scheduler.deinit();
        return .{ .allocator = allocator, .scheduler = scheduler, .waiting = try allocator.alloc(Task, config.tasks_max) };
    }

    /// Workers are gone by then.
    pub fn deinit(next: *Next) void {
        assert(next.workers == null);
        next.leave();
        while (next.waiting_len > 0) next.takeWaiting().discarded(false);
        next.allocator.free(next.waiting);
        next.scheduler.deinit();
        next.* = undefined;
    }

    /// The calling thread becomes the loop's.
    pub fn own(next: *Next, loop: Loop) void {
        next.scheduler.own();
        next.loop = loop;
        next.enter();
    }

    /// What this thread calls `go` and `submit` for from here on. A thread may turn several servers.
    pub fn enter(next: *Next) void {
        current = next;
    }

    /// Its server turns on this thread no more.
    pub fn leave(next: *Next) void {
        if (current == next) current = null;
    }

    /// That of the fiber that calls.
    pub fn loopOfThread() *const Loop {
        return &current.?.loop.?;
    }

    /// Runs `exec` on a fiber of this loop, in the loop's current turn or a later one. It may wait by what `Fiber` has for that, and
    /// must not block the thread: everything else would stand still.
    pub fn go(comptime Ctx: type, ctx: Ctx, comptime exec: Exec(Ctx)) GoError!void {
        const next = current orelse return error.NotOnLoop;
        if (!next.scheduler.isOnThread()) return error.NotOnLoop;
        const has_fiber = next.waiting_len == 0 and next.scheduler.hasFree();
        if (!has_fiber and next.waiting_len == next.waiting.len) {
            next.refused += 1;
            return error.TooManyTasks;
        }
        const task = try Copy(Ctx, exec).make(next, ctx);
        if (has_fiber) _ = next.scheduler.start(task).? else next.push(task);
    }

    /// Runs `exec` on a worker's thread, which it may keep busy or block. Where it waits for something that can be asked for, it
    /// lets others run meanwhile by `Fiber.workerYield`.
    pub fn submit(comptime Ctx: type, ctx: Ctx, comptime exec: Exec(Ctx)) SubmitError!void {
        const next = current orelse return error.NotOnLoop;
        const workers = next.workers orelse return error.NoWorkers;
        const task = try Copy(Ctx, exec).make(next, ctx);
        if (workers.push(task)) return;
        Copy(Ctx, exec).destroy(task.context);
        return error.TooManyTasks;
    }

    pub fn Exec(comptime Ctx: type) type {
        return fn (c: *Ctx, complete: Complete) void;
    }

    fn push(next: *Next, task: Task) void {
        const at = (next.waiting_first + next.waiting_len) % next.waiting.len;
        next.waiting[at] = task;
        next.waiting_len += 1;
    }

    /// One turn of the loop: tasks get their fibers, and fibers run.
    pub fn turn(next: *Next, now_ms: u64) void {
        if (next.waiting_len > 0) next.startWaiting();
        if (next.scheduler.used > 0) next.scheduler.turn(now_ms);
    }

    fn startWaiting(next: *Next) void {
        while (next.waiting_len > 0 and next.scheduler.hasFree()) {
            _ = next.scheduler.start(next.takeWaiting()).?;
        }
    }

    fn takeWaiting(next: *Next) Task {
        defer {
            next.waiting_first = @intCast((next.waiting_first + 1) % next.waiting.len);
            next.waiting_len -= 1;
        }
        return next.waiting[next.waiting_first];
    }

    /// When the next turn has something to do without an event; `Fiber.never` without end.
    pub fn wakeAtMs(next: *const Next, now_ms: u64, tick_interval_ms: u32) u64 {
        const scheduler = &next.scheduler;
        if (scheduler.used == 0 and next.waiting_len == 0) return Fiber.never;
        if (scheduler.isReady() or (next.waiting_len > 0 and scheduler.hasFree())) return now_ms;
        const tick_ms = if (scheduler.polled > 0) now_ms + tick_interval_ms else Fiber.never;
        return @min(tick_ms, @max(scheduler.deadline_ms, now_ms));
    }

    /// Tasks that are not done, of fibers and of workers.
    pub fn pending(next: *const Next) usize {
        const submitted = if (next.workers) |workers| workers.pending.load(.acquire) else 0;
        return next.scheduler.used + next.waiting_len + submitted;
    }

    /// The server's end comes: what isn't done is told, and not waited for any more, but for what computes right now.
    pub fn abandon(next: *Next) void {
        if (next.abandoned > 0) return;
        next.abandoned = next.pending();
        if (next.abandoned == 0) return;
        std.log.scoped(.server).warn("{d} tasks of Next are not done when the server ends", .{next.abandoned});
        if (next.workers) |workers| workers.abandon();
    }
};

/// A task of its own for each pair of context and function.
fn Copy(comptime Ctx: type, comptime exec: Next.Exec(Ctx)) type {
    return struct {
        /// See "Whose the context is".
        const is_execs = @hasField(Ctx, "allocator");
        const Box = struct { allocator: std.mem.Allocator, ctx: Ctx };

        fn make(next: *Next, ctx: Ctx) error{OutOfMemory}!Task {
            if (is_execs) {
                const copy = try ctx.allocator.create(Ctx);
                copy.* = ctx;
                return .{ .run = run, .context = copy, .discard = discard };
            }
            const box = try next.allocator.create(Box);
            box.* = .{ .allocator = next.allocator, .ctx = ctx };
            return .{ .run = run, .context = box, .discard = discard };
        }

        /// The copy alone.
        fn destroy(context: *anyopaque) void {
            if (is_execs) {
                const ctx: *Ctx = @ptrCast(@alignCast(context));
                const allocator = ctx.allocator;
                allocator.destroy(ctx);
            } else free(@ptrCast(@alignCast(context)));
        }

        /// The server has ended. An `exec` that has begun may have destroyed a context of its own.
        fn discard(context: *anyopaque, has_begun: bool) void {
            if (has_begun and is_execs) return;
            if (@hasDecl(Ctx, "onDiscard")) {
                const ctx: *Ctx = if (is_execs) @ptrCast(@alignCast(context)) else &@as(*Box, @ptrCast(@alignCast(context))).ctx;
                ctx.onDiscard();
            }
            destroy(context);
        }

        fn run(context: *anyopaque) void {
            if (is_execs) return exec(@ptrCast(@alignCast(context)), complete);
            const box: *Box = @ptrCast(@alignCast(context));
            defer free(box);
            exec(&box.ctx, complete);
        }

        fn free(box: *Box) void {
            const allocator = box.allocator;
            allocator.destroy(box);
        }

        fn complete(context: ?*anyopaque, result: []const u8) void {
            if (!@hasDecl(Ctx, "onComplete")) return;
            var completion: Completion = .{ .ctx = @ptrCast(@alignCast(context.?)), .result = result, .next = current.? };
            if (Scheduler.current() == &completion.next.scheduler) return completion.ctx.onComplete(result);
            const scheduler = Scheduler.current().?;
            scheduler.owed += 1;
            defer scheduler.owed -= 1;
            Fiber.workerYield(Completion.isDone, &completion);
        }

        /// A result on its way to the loop's thread. It lies in the worker's frame, which waits for it.
        const Completion = struct {
            ctx: *Ctx,
            result: []const u8,
            next: *Next,
            is_sent: bool = false,
            done: std.atomic.Value(bool) = .init(false),

            fn isDone(context: *anyopaque) bool {
                const completion: *Completion = @ptrCast(@alignCast(context));
                if (!completion.is_sent) {
                    const loop = completion.next.loop.?;
                    completion.is_sent = loop.invoke(loop.server, .{ .run = onLoop, .context = completion, .discard = end });
                }
                return completion.done.load(.acquire);
            }

            fn onLoop(context: *anyopaque, _: std.mem.Allocator) void {
                const completion: *Completion = @ptrCast(@alignCast(context));
                completion.ctx.onComplete(completion.result);
                end(context);
            }

            fn end(context: *anyopaque) void {
                const completion: *Completion = @ptrCast(@alignCast(context));
                const workers = completion.next.workers.?;
                // The frame may be gone right behind this.
                completion.done.store(true, .release);
                workers.wakeAll();
            }
        };
    };
}

test {
    _ = @import("next/workers.zig");
    _ = @import("next_test.zig");
}
