//! The threads behind `Next.submit`. Each takes a task from the queue they share, runs it on a fiber until it ends or waits by
//! `Fiber.workerYield`, and takes the next; those that wait are asked once a turn.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const BoundedQueue = @import("../bounded_queue.zig").BoundedQueue;
const Config = @import("../config.zig").Config;
const Next = @import("../next.zig").Next;
const Scheduler = @import("../fiber/scheduler.zig").Scheduler;
const Task = @import("../fiber.zig").Task;

/// How long a worker sleeps whose fibers all wait for something that has no event. Shorter than what is worth being
/// submitted, and 5,000 wakes a second cost a processor about a hundredth.
const poll_interval_ns = 200 * std.time.ns_per_us;

pub const Workers = struct {
    allocator: std.mem.Allocator,
    next: *Next,
    queue: BoundedQueue(Task),
    workers: []Worker,
    /// Tasks that were pushed and are not done.
    pending: std.atomic.Value(u32) = .init(0),
    /// Changes with everything a sleeping worker has to see.
    epoch: std.atomic.Value(u32) = .init(0),
    sleeping: std.atomic.Value(u32) = .init(0),
    state: std.atomic.Value(State) = .init(.working),
    /// Threads that have not come to their end.
    alive: std.atomic.Value(u32) = .init(0),

    /// More threads than any machine has processors are a mistake.
    pub const count_max = 1024;

    const State = enum(u8) {
        working,
        /// Threads end when all is done.
        stopping,
        /// Threads end, whatever waits.
        abandoned,
    };

    /// Takes all it needs; `start` makes the threads.
    pub fn create(allocator: std.mem.Allocator, next: *Next, config: *const Config, count: u32) error{OutOfMemory}!*Workers {
        assert(count > 0);
        const self = try allocator.create(Workers);
        errdefer allocator.destroy(self);
        var queue: BoundedQueue(Task) = try .init(allocator, config.tasks_max);
        errdefer queue.deinit(allocator);
        const workers = try allocator.alloc(Worker, count);
        errdefer allocator.free(workers);
        self.* = .{ .allocator = allocator, .next = next, .queue = queue, .workers = workers };
        var made: usize = 0;
        errdefer for (workers[0..made]) |*worker| worker.scheduler.deinit();
        while (made < count) : (made += 1) {
            workers[made] = .{ .shared = self, .scheduler = try .init(config.worker_fibers_max, config.workerStackBytes()) };
        }
        return self;
    }

    pub fn start(self: *Workers) std.Thread.SpawnError!void {
        for (self.workers) |*worker| {
            _ = self.alive.fetchAdd(1, .acq_rel);
            errdefer _ = self.alive.fetchSub(1, .acq_rel);
            worker.thread = try .spawn(.{}, Worker.run, .{worker});
        }
    }

    /// Threads end as soon as all is done. `isEnded` says when they did.
    pub fn stop(self: *Workers) void {
        _ = self.state.cmpxchgStrong(.working, .stopping, .acq_rel, .acquire);
        self.wakeAll();
    }

    /// They end as soon as none computes.
    pub fn abandon(self: *Workers) void {
        self.state.store(.abandoned, .release);
        self.wakeAll();
    }

    pub fn isEnded(self: *const Workers) bool {
        return self.alive.load(.acquire) == 0;
    }

    pub fn destroy(self: *Workers) void {
        assert(self.isEnded());
        for (self.workers) |*worker| {
            if (worker.thread) |thread| thread.join();
            worker.scheduler.deinit();
        }
        while (self.queue.pop()) |task| task.discarded(false);
        self.queue.deinit(self.allocator);
        self.allocator.free(self.workers);
        self.allocator.destroy(self);
    }

    /// From any thread. False when too many wait.
    pub fn push(self: *Workers, task: Task) bool {
        _ = self.pending.fetchAdd(1, .acq_rel);
        if (!self.queue.push(task)) {
            _ = self.pending.fetchSub(1, .acq_rel);
            return false;
        }
        self.wake(1);
        return true;
    }

    pub fn wakeAll(self: *Workers) void {
        self.wake(std.math.maxInt(i32));
    }

    fn wake(self: *Workers, count: u32) void {
        // Either this is seen by who is about to sleep, or his sleep is seen here.
        _ = self.epoch.fetchAdd(1, .seq_cst);
        if (self.sleeping.load(.seq_cst) == 0) return;
        _ = linux.futex_3arg(&self.epoch.raw, .{ .cmd = .WAKE, .private = true }, count);
    }

    fn sleep(self: *Workers, epoch: u32, duration_ns: ?u64) void {
        const time: linux.timespec = .{ .sec = 0, .nsec = @intCast(duration_ns orelse 0) };
        _ = self.sleeping.fetchAdd(1, .seq_cst);
        defer _ = self.sleeping.fetchSub(1, .seq_cst);
        // Whatever it returns for, the worker looks at everything again.
        _ = linux.futex_4arg(&self.epoch.raw, .{ .cmd = .WAIT, .private = true }, epoch, if (duration_ns != null) &time else null);
    }
};

pub const Worker = struct {
    shared: *Workers,
    scheduler: Scheduler,
    thread: ?std.Thread = null,

    fn run(worker: *Worker) void {
        const shared = worker.shared;
        defer _ = shared.alive.fetchSub(1, .acq_rel);
        worker.scheduler.own();
        shared.next.enter();
        while (true) {
            const epoch = shared.epoch.load(.seq_cst);
            if (worker.turn(monotonicMs())) continue;
            const is_idle = worker.scheduler.used == 0;
            switch (shared.state.load(.acquire)) {
                .working => {},
                .stopping => if (is_idle) return,
                .abandoned => if (worker.scheduler.owed == 0) return,
            }
            shared.sleep(epoch, if (is_idle) null else poll_interval_ns);
        }
    }

    /// Takes one task at most, so that another worker gets the next while this one computes. Says whether anything ran.
    pub fn turn(worker: *Worker, now_ms: u64) bool {
        const shared = worker.shared;
        const scheduler = &worker.scheduler;
        if (scheduler.hasFree() and shared.state.load(.acquire) != .abandoned) {
            if (shared.queue.pop()) |task| _ = scheduler.start(task).?;
        }
        if (scheduler.used == 0) return false;
        const ran_before = scheduler.ran;
        const used_before = scheduler.used;
        scheduler.turn(now_ms);
        _ = shared.pending.fetchSub(used_before - scheduler.used, .acq_rel);
        return scheduler.ran != ran_before;
    }
};

fn monotonicMs() u64 {
    var time: linux.timespec = undefined;
    const rc = linux.clock_gettime(.MONOTONIC, &time);
    assert(linux.errno(rc) == .SUCCESS);
    return @as(u64, @intCast(time.sec)) * std.time.ms_per_s + @as(u64, @intCast(time.nsec)) / std.time.ns_per_ms;
}
