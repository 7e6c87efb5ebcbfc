//! Fibers without a server: whose frames stay as they are, who runs when, and what a stack that is too small does.

const std = @import("std");
const builtin = @import("builtin");
const linux = std.os.linux;
const Fiber = @import("fiber.zig").Fiber;
const Scheduler = @import("fiber/scheduler.zig").Scheduler;
const guard_bytes = @import("fiber/stacks.zig").guard_bytes;

/// What the unoptimized code of a test takes.
const stack_bytes = 256 * 1024;

fn schedulerOf(count: u32) !Scheduler {
    var scheduler: Scheduler = try .init(count, stack_bytes);
    scheduler.own();
    return scheduler;
}

/// Calls itself, yields in the middle of every frame, and finds each as it left it.
const Deep = struct {
    number: u64,
    depth: u32,
    random: std.Random,
    found: u64 = 0,
    turns: u64 = 0,

    fn run(context: *anyopaque) void {
        const deep: *Deep = @ptrCast(@alignCast(context));
        deep.found = deep.descend(0);
    }

    fn descend(deep: *Deep, level: u32) u64 {
        var frame: [64]u64 = undefined;
        for (&frame, 0..) |*word, i| word.* = deep.number *% 1_000_003 +% level *% 1009 +% i;
        // In registers that a called function keeps, if anywhere.
        var sum: u64 = 0;
        const scale = @as(f64, @floatFromInt(deep.number)) + 0.5;
        for (0..deep.random.uintLessThan(usize, 3)) |_| deep.pause();
        if (level < deep.depth) sum = deep.descend(level + 1);
        for (0..deep.random.uintLessThan(usize, 3)) |_| deep.pause();
        for (frame, 0..) |word, i| {
            if (word != deep.number *% 1_000_003 +% level *% 1009 +% i) return wrong;
        }
        if (scale != @as(f64, @floatFromInt(deep.number)) + 0.5 or sum == wrong) return wrong;
        return sum + 1;
    }

    fn pause(deep: *Deep) void {
        deep.turns += 1;
        if (deep.turns % 5 == 0) Fiber.sleep(deep.turns % 3) else Fiber.yield();
    }

    const wrong = std.math.maxInt(u64);
};

test "fibers that yield in mid-frame find their frames as they left them, however they take turns" {
    var scheduler = try schedulerOf(100);
    defer scheduler.deinit();
    var prng: std.Random.DefaultPrng = .init(1);
    var all: [400]Deep = undefined;
    for (&all, 0..) |*deep, i| deep.* = .{ .number = i, .depth = prng.random().uintLessThan(u32, 30), .random = prng.random() };
    var started: usize = 0;
    var now_ms: u64 = 0;
    while (started < all.len or scheduler.used > 0) : (now_ms += 1) {
        while (started < all.len) : (started += 1) {
            if (scheduler.start(.{ .run = Deep.run, .context = &all[started] }) == null) break;
        }
        scheduler.turn(now_ms);
        try std.testing.expect(scheduler.ready_len <= scheduler.used);
    }
    for (all) |deep| try std.testing.expectEqual(@as(u64, deep.depth) + 1, deep.found);
    try std.testing.expectEqual(@as(u32, 100), scheduler.used_max);
    try std.testing.expectEqual(@as(u32, 0), scheduler.timed);
}

/// Writes down what happens.
const Log = struct {
    text: [64]u8 = undefined,
    len: usize = 0,
    fibers: [4]?*Fiber = @splat(null),
    gate: bool = false,

    fn add(log: *Log, letter: u8) void {
        log.text[log.len] = letter;
        log.len += 1;
    }

    fn take(log: *Log) []const u8 {
        defer log.len = 0;
        return log.text[0..log.len];
    }
};

fn parkTwice(context: *anyopaque) void {
    const log: *Log = @ptrCast(@alignCast(context));
    log.fibers[0] = Fiber.current();
    log.add('a');
    Fiber.park();
    log.add('b');
    // A permit: somebody wakes it before it parks.
    Fiber.current().?.unpark();
    Fiber.current().?.unpark();
    Fiber.park();
    log.add('c');
    Fiber.park();
    log.add('d');
}

fn yieldTwice(context: *anyopaque) void {
    const log: *Log = @ptrCast(@alignCast(context));
    for ("xyz", 0..) |letter, i| {
        if (i > 0) Fiber.yield();
        log.add(letter);
    }
}

test "a parked fiber goes on when it is unparked, in the order of waking, and an early unpark is kept once" {
    var scheduler = try schedulerOf(2);
    defer scheduler.deinit();
    var log: Log = .{};
    try std.testing.expect(scheduler.start(.{ .run = parkTwice, .context = &log }) != null);
    try std.testing.expect(scheduler.start(.{ .run = yieldTwice, .context = &log }) != null);
    try std.testing.expectEqual(null, scheduler.start(.{ .run = yieldTwice, .context = &log }));
    try std.testing.expectEqual(null, Fiber.current());
    for ([_][]const u8{ "ax", "y", "z", "" }) |expected| {
        scheduler.turn(1);
        try std.testing.expectEqualStrings(expected, log.take());
    }
    try std.testing.expect(!scheduler.isReady());
    // However often: it stands in the list once.
    for (0..5000) |_| log.fibers[0].?.unpark();
    try std.testing.expectEqual(@as(u32, 1), scheduler.ready_len);
    scheduler.turn(1);
    try std.testing.expectEqualStrings("bc", log.take());
    scheduler.turn(1);
    log.fibers[0].?.unpark();
    scheduler.turn(1);
    try std.testing.expectEqualStrings("d", log.take());
    try std.testing.expectEqual(@as(u32, 0), scheduler.used);
}

fn waitForTime(context: *anyopaque) void {
    const log: *Log = @ptrCast(@alignCast(context));
    log.fibers[1] = Fiber.current();
    log.add(if (Fiber.parkUntil(20) == .timed_out) 't' else 'u');
    log.add(if (Fiber.parkUntil(50) == .timed_out) 't' else 'u');
    Fiber.sleep(10);
    log.add('s');
}

fn waitForPoll(context: *anyopaque) void {
    const log: *Log = @ptrCast(@alignCast(context));
    Fiber.workerYield(isOpen, log);
    log.add('p');
}

fn isOpen(context: *anyopaque) bool {
    return @as(*Log, @ptrCast(@alignCast(context))).gate;
}

test "a fiber goes on when its time is up or its poll says yes, and not before" {
    var scheduler = try schedulerOf(2);
    defer scheduler.deinit();
    var log: Log = .{};
    _ = scheduler.start(.{ .run = waitForTime, .context = &log }).?;
    _ = scheduler.start(.{ .run = waitForPoll, .context = &log }).?;
    scheduler.turn(1);
    try std.testing.expectEqual(@as(u64, 20), scheduler.deadline_ms);
    scheduler.turn(19);
    try std.testing.expectEqualStrings("", log.take());
    scheduler.turn(20);
    try std.testing.expectEqualStrings("t", log.take());
    try std.testing.expectEqual(@as(u64, 50), scheduler.deadline_ms);
    log.fibers[1].?.unpark();
    scheduler.turn(30);
    try std.testing.expectEqualStrings("u", log.take());
    // A sleep is not over because somebody wakes it.
    log.fibers[1].?.unpark();
    scheduler.turn(39);
    scheduler.turn(39);
    try std.testing.expectEqualStrings("", log.take());
    log.gate = true;
    scheduler.turn(39);
    try std.testing.expectEqualStrings("p", log.take());
    scheduler.turn(40);
    try std.testing.expectEqualStrings("s", log.take());
    try std.testing.expectEqual(@as(u32, 0), scheduler.used + scheduler.timed + scheduler.polled);
    try std.testing.expectEqual(Fiber.never, scheduler.deadline_ms);
}

/// Says yes once, as who takes what it found.
fn takeOnce(context: *anyopaque) bool {
    const log: *Log = @ptrCast(@alignCast(context));
    defer log.gate = false;
    return log.gate;
}

fn waitForOnce(context: *anyopaque) void {
    const log: *Log = @ptrCast(@alignCast(context));
    log.fibers[0] = Fiber.current();
    Fiber.workerYield(takeOnce, log);
    log.add('o');
}

test "a poll that has said yes is not asked again, and a wake-up is no yes" {
    var scheduler = try schedulerOf(1);
    defer scheduler.deinit();
    var log: Log = .{};
    _ = scheduler.start(.{ .run = waitForOnce, .context = &log }).?;
    scheduler.turn(1);
    log.fibers[0].?.unpark();
    scheduler.turn(2);
    try std.testing.expectEqualStrings("", log.take());
    log.gate = true;
    scheduler.turn(3);
    try std.testing.expectEqualStrings("o", log.take());
    try std.testing.expectEqual(@as(u32, 0), scheduler.used + scheduler.polled);
}

const Rounding = struct { kept: bool = false };

/// A called function may change how numbers are rounded only until it returns (the System V ABI, AAPCS64), so a fiber's way
/// must not be seen by others.
fn roundUp(context: *anyopaque) void {
    const rounding: *Rounding = @ptrCast(@alignCast(context));
    const before = roundingWord();
    setRoundingWord(before | up);
    Fiber.yield();
    rounding.kept = roundingWord() == before | up;
    setRoundingWord(before);
}

const up: usize = switch (builtin.cpu.arch) {
    .aarch64 => 1 << 22,
    else => 2 << 13,
};

fn roundingWord() usize {
    var word: usize = 0;
    @as(*const fn (*usize) callconv(.c) void, @ptrCast(&readWord))(&word);
    return word;
}

fn setRoundingWord(word: usize) void {
    @as(*const fn (*const usize) callconv(.c) void, @ptrCast(&writeWord))(&word);
}

fn readWord() callconv(.naked) void {
    switch (builtin.cpu.arch) {
        .aarch64 => asm volatile ("mrs x1, fpcr\n str x1, [x0]\n ret"),
        else => asm volatile ("stmxcsr (%%rdi)\n retq"),
    }
}

fn writeWord() callconv(.naked) void {
    switch (builtin.cpu.arch) {
        .aarch64 => asm volatile ("ldr x1, [x0]\n msr fpcr, x1\n ret"),
        else => asm volatile ("ldmxcsr (%%rdi)\n retq"),
    }
}

test "how a fiber rounds is its own" {
    var scheduler = try schedulerOf(1);
    defer scheduler.deinit();
    var rounding: Rounding = .{};
    _ = scheduler.start(.{ .run = roundUp, .context = &rounding }).?;
    const before = roundingWord();
    scheduler.turn(1);
    try std.testing.expectEqual(before, roundingWord());
    scheduler.turn(2);
    try std.testing.expect(rounding.kept);
}

fn overflow(context: *anyopaque) void {
    const depth: *volatile u64 = @ptrCast(@alignCast(context));
    recurse(depth);
}

fn recurse(depth: *volatile u64) void {
    var frame: [512]u8 = undefined;
    const bytes: *volatile [512]u8 = &frame;
    bytes[0] = 1;
    depth.* += 1;
    recurse(depth);
    bytes[1] = 1;
}

/// Says by its status how the child ended.
fn inChild(action: linux.Sigaction) !u32 {
    const pid = linux.fork();
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(pid));
    if (pid == 0) overflowInChild(&action);
    var status: u32 = 0;
    while (linux.errno(linux.waitpid(@intCast(pid), &status, 0)) == .INTR) {}
    return status;
}

test "a stack that overflows ends the process" {
    const status = try inChild(.{ .handler = .{ .handler = linux.SIG.DFL }, .mask = linux.sigemptyset(), .flags = 0 });
    try std.testing.expect(linux.W.IFSIGNALED(status));
    try std.testing.expectEqual(linux.SIG.SEGV, linux.W.TERMSIG(status));
}

test "a stack that overflows does so in its guard, before the stack below it is touched" {
    const status = try inChild(.{
        .handler = .{ .sigaction = seeWhere },
        .mask = linux.sigemptyset(),
        .flags = linux.SA.SIGINFO | linux.SA.ONSTACK,
    });
    try std.testing.expect(linux.W.IFEXITED(status));
    try std.testing.expectEqual(@as(u8, in_guard), linux.W.EXITSTATUS(status));
}

const in_guard = 42;
const elsewhere = 43;

/// Of the stack that overflows.
var guard_end: usize = 0;

fn seeWhere(_: linux.SIG, info: *const linux.siginfo_t, _: ?*anyopaque) callconv(.c) void {
    const address = @intFromPtr(info.fields.sigfault.addr);
    linux.exit_group(if (address < guard_end and address >= guard_end - guard_bytes) in_guard else elsewhere);
}

fn overflowInChild(action: *const linux.Sigaction) noreturn {
    var signal_stack: [64 * 1024]u8 align(16) = undefined;
    const other: linux.stack_t = .{ .sp = &signal_stack, .flags = 0, .size = signal_stack.len };
    if (linux.errno(linux.sigaltstack(&other, null)) != .SUCCESS) linux.exit_group(1);
    if (linux.errno(linux.sigaction(.SEGV, action, null)) != .SUCCESS) linux.exit_group(1);
    // No core file of a child that is meant to fail.
    const none: linux.rlimit = .{ .cur = 0, .max = 0 };
    _ = linux.setrlimit(.CORE, &none);
    var scheduler: Scheduler = Scheduler.init(2, stack_bytes) catch linux.exit_group(1);
    scheduler.own();
    guard_end = @intFromPtr(scheduler.stacks.get(1).ptr);
    var depth: u64 = 0;
    var log: Log = .{};
    // Its stack is the one below.
    _ = scheduler.start(.{ .run = parkTwice, .context = &log });
    _ = scheduler.start(.{ .run = overflow, .context = &depth });
    scheduler.turn(1);
    linux.exit_group(1);
}

fn goWrong(context: *anyopaque) void {
    const numbers: *[2]u64 = @ptrCast(@alignCast(context));
    // As deep as a task may be that leaves a quarter of its stack.
    var frame: [panic_stack_bytes * 3 / 4]u8 = undefined;
    std.mem.doNotOptimizeAway(&frame);
    if (numbers[0] != numbers[1]) @panic("what a fiber says when it goes wrong");
}

/// That of `Config`'s default.
const panic_stack_bytes = 64 * 1024;

fn panicInChild(out: linux.fd_t) noreturn {
    if (linux.errno(linux.dup2(out, 2)) != .SUCCESS) linux.exit_group(1);
    const none: linux.rlimit = .{ .cur = 0, .max = 0 };
    _ = linux.setrlimit(.CORE, &none);
    var scheduler: Scheduler = Scheduler.init(1, panic_stack_bytes) catch linux.exit_group(1);
    scheduler.own();
    var numbers: [2]u64 = .{ 1, 2 };
    _ = scheduler.start(.{ .run = goWrong, .context = &numbers });
    scheduler.turn(1);
    linux.exit_group(1);
}

test "a panic on a fiber prints its trace before it ends the process" {
    var pipe: [2]linux.fd_t = undefined;
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(linux.pipe2(&pipe, .{ .CLOEXEC = true })));
    defer _ = linux.close(pipe[0]);
    const pid = linux.fork();
    try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(pid));
    if (pid == 0) panicInChild(pipe[1]);
    _ = linux.close(pipe[1]);
    var said: [64 * 1024]u8 = undefined;
    var len: usize = 0;
    while (true) {
        const rc = linux.read(pipe[0], said[len..].ptr, said.len - len);
        if (linux.errno(rc) == .INTR) continue;
        try std.testing.expectEqual(linux.E.SUCCESS, linux.errno(rc));
        if (rc == 0) break;
        len += rc;
    }
    var status: u32 = 0;
    while (linux.errno(linux.waitpid(@intCast(pid), &status, 0)) == .INTR) {}
    try std.testing.expect(linux.W.IFSIGNALED(status));
    try std.testing.expectEqual(linux.SIG.ABRT, linux.W.TERMSIG(status));
    for ([_][]const u8{ "what a fiber says when it goes wrong", "goWrong", "scheduler.zig" }) |wanted| {
        try std.testing.expect(std.mem.indexOf(u8, said[0..len], wanted) != null);
    }
}
