//! `zig build fuzz`: every parser of this folder under mutated inputs, each for so many seconds, and of another seed each
//! time. What fails prints its seed and number; -Dfuzz-seed=N repeats it.
//!
//! Guided by coverage: `zig build fuzz -Dfuzz-seconds=0 --fuzz`.

const std = @import("std");
const config = @import("config");
const mutate = @import("mutate.zig");

const Target = mutate.Target;

test "heads of requests" {
    try fuzz(@import("http/request_test.zig").target);
}

test "heads of responses" {
    try fuzz(@import("client_test.zig").target);
}

test "chunked bodies" {
    try fuzz(@import("http/chunked_test.zig").target);
}

test "WebSocket streams" {
    try fuzz(@import("websocket/receiver_test.zig").target);
}

test "paths" {
    try fuzz(@import("router_test.zig").target);
}

test "answers of DNS" {
    try fuzz(@import("dns/message_test.zig").target);
}

test "resolv.conf and hosts" {
    try fuzz(@import("dns/files_test.zig").target);
}

/// Inputs between two looks at the clock.
const batch = 200;

fn fuzz(comptime target: Target) !void {
    const io = std.testing.io;
    const began = std.Io.Clock.awake.now(io);
    // A new one each time, unless one is wanted.
    const seed = config.seed orelse @as(u64, @truncate(@as(u96, @bitCast(std.Io.Clock.real.now(io).nanoseconds))));
    var mutator: mutate.Mutator = .init(seed, target.words);
    var count: usize = 0;
    while (began.untilNow(io, .awake).toSeconds() < config.seconds) {
        for (0..batch) |_| {
            errdefer std.debug.print("not ok - {s}: input {d} of -Dfuzz-seed={d}\n", .{ target.name, count, seed });
            _ = try target.once(&mutator);
            count += 1;
        }
    }
    if (count > 0) std.debug.print("ok - {s}: {d} inputs, seed {d}\n", .{ target.name, count, seed });
    try std.testing.fuzz({}, Guided(target).once, .{});
}

fn Guided(comptime target: Target) type {
    return struct {
        fn once(_: void, smith: *std.testing.Smith) !void {
            // Half of them bytes as the fuzzer finds them, half mutations of what is honest.
            if (smith.value(bool)) {
                var mutator: mutate.Mutator = .init(smith.value(u64), target.words);
                _ = try target.once(&mutator);
                return;
            }
            var buffer: [Target.input_bytes_max]u8 = undefined;
            const input = buffer[0..smith.slice(&buffer)];
            const one = smith.index(input.len + 1);
            const other = smith.index(input.len + 1);
            _ = try target.check(input, .{ @min(one, other), @max(one, other) });
        }
    };
}
