//! Runs the server under simulated faults: `zig build simulate -Dseed=N` repeats one run, `-Dseeds=COUNT` makes that many
//! from that seed on. Fails with the seed of the first run in which the server did something wrong.

const std = @import("std");
const sws = @import("root.zig");
const simulation = @import("simulator/run.zig");
const Ending = @import("simulator/client.zig").Ending;
const Fault = @import("io/simulated.zig").Fault;

pub const std_options: std.Options = .{ .logFn = logNothing };

/// Handlers fail by the thousand here.
fn logNothing(comptime _: std.log.Level, comptime _: @TypeOf(.enum_literal), comptime _: []const u8, _: anytype) void {}

/// Says which seed repeats it.
pub const panic = std.debug.FullPanic(panicInSeed);

var seed_now: u64 = 0;

fn panicInSeed(message: []const u8, address: ?usize) noreturn {
    std.debug.print("not ok - seed {d}\n", .{seed_now});
    std.debug.defaultPanic(message, address);
}

pub fn main(init: std.process.Init) !void {
    var arguments = init.minimal.args.iterate();
    _ = arguments.next();
    const first = try std.fmt.parseInt(u64, arguments.next() orelse "1", 10);
    const count = try std.fmt.parseInt(u64, arguments.next() orelse "1", 10);
    const memory = try simulation.Memory.create();
    defer memory.destroy();
    var sum: simulation.Result = .{};
    for (first..first + count) |seed| {
        seed_now = seed;
        var report: simulation.Report = .{};
        const result = simulation.run(memory, seed, &report) catch |err| {
            std.debug.print("not ok - seed {d}: {t}\n", .{ seed, err });
            report.print();
            if (err == error.OutOfMemory) return err;
            std.process.exit(1);
        };
        if (result.events < simulation.events_min) return error.TooFewEvents;
        sum.add(result);
        if (count == 1) std.debug.print("seed {d}: hash {x}\n", .{ seed, result.hash });
        if ((seed - first) % 1000 == 999) std.debug.print("{d} seeds clean\n", .{seed - first + 1});
    }
    std.debug.print("{d} seeds clean: {d} events, {d} connections, {d} answers looked at\n", .{ count, sum.events, sum.connections, sum.responses });
    print("faults", sum.faults, std.enums.values(Fault));
    print("connections ended", sum.endings, std.enums.values(Ending));
    inline for (std.meta.fields(sws.Stats)) |field| std.debug.print("  {s} {d}\n", .{ field.name, @field(sum.stats, field.name) });
    std.debug.print("  memory refused {d}, answers lost {d}, answers given twice {d}, stopped early {d}\n", .{ sum.memory_refused, sum.lost, sum.doubled, sum.stopped_early });
    std.debug.print("  outgoing: {d} bytes returned, {d} failed, {d} finished\n", .{ sum.returned, sum.outgoing_failed, sum.outgoing_finished });
    std.debug.print("  names: {d} asked, {d} unknown, {d} waited for by several, {d} known not to be there\n", .{ sum.names_asked, sum.names_unknown, sum.names_joined, sum.names_known_absent });
    std.debug.print("  http to elsewhere: {d} answered, {d} failed, {d} over a connection that rested\n", .{ sum.http_answered, sum.http_failed, sum.http_reused });
    std.debug.print("  fibers went on {d} times, polls of tasks {d}, tasks completed {d}\n", .{ sum.resumed, sum.polls, sum.completed });
    std.debug.print("  WebSockets: echoes {d}, broadcasts heard {d}, pings {d}, broadcasts without memory {d}\n", .{ sum.echoes, sum.heard, sum.pings, sum.broadcast_refused });
    // What never occurred was not tested.
    if (count >= seeds_for_all_faults) {
        for (std.enums.values(Fault)) |fault| if (sum.faults.get(fault) == 0) return error.FaultNeverOccurred;
        if (!sum.wentOut()) return error.NothingWentOut;
    }
}

/// So many runs meet every fault.
const seeds_for_all_faults = 20;

fn print(what: []const u8, counts: anytype, values: anytype) void {
    std.debug.print("{s}:", .{what});
    for (values) |value| std.debug.print(" {t} {d}", .{ value, counts.get(value) });
    std.debug.print("\n", .{});
}

test "a few runs are clean, and meet every fault" {
    std.testing.log_level = .err;
    const memory = try simulation.Memory.create();
    defer memory.destroy();
    var sum: simulation.Result = .{};
    for (1..seeds_for_all_faults + 1) |seed| {
        var report: simulation.Report = .{};
        sum.add(simulation.run(memory, seed, &report) catch |err| {
            std.debug.print("seed {d}: {t}\n", .{ seed, err });
            return err;
        });
    }
    for (std.enums.values(Fault)) |fault| try std.testing.expect(sum.faults.get(fault) > 0);
    try std.testing.expect(sum.wentOut());
    for (std.enums.values(Ending)) |ending| try std.testing.expect(ending == .unexplained or sum.endings.get(ending) > 0);
    inline for (.{ "resumed", "polls", "completed", "echoes", "heard", "pings" }) |what| try std.testing.expect(@field(sum, what) > 0);
    try std.testing.expect(sum.stats.slow_consumers > 0);
}

test "the same seed gives the same events, alone or in a series" {
    std.testing.log_level = .err;
    const fresh = try simulation.Memory.create();
    defer fresh.destroy();
    var report: simulation.Report = .{};
    const alone = try simulation.run(fresh, 42, &report);
    // Full of what another one left.
    const memory = try simulation.Memory.create();
    defer memory.destroy();
    const other = try simulation.run(memory, 43, &report);
    try std.testing.expect(alone.hash != other.hash);
    for (0..2) |_| {
        const again = try simulation.run(memory, 42, &report);
        try std.testing.expectEqual(alone.hash, again.hash);
        try std.testing.expectEqual(alone.events, again.events);
        try std.testing.expectEqual(alone.stats, again.stats);
    }
}
