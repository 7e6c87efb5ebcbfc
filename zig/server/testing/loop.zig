//! A server whose loop a test turns by itself, so that what goes out runs on the test's own thread.

const std = @import("std");
const skipped = @import("skipped.zig");
const sws = @import("../root.zig");

/// What a test waits before it fails.
const timeout_ms = 20_000;

pub const Loop = struct {
    server: sws.AsyncServer,

    /// Skipped where io_uring is denied: these tests run wherever it is not.
    pub fn create(config: sws.Config) !*Loop {
        const loop = try std.testing.allocator.create(Loop);
        errdefer std.testing.allocator.destroy(loop);
        var small = config;
        small.slots = 16;
        small.buffer_size = 512;
        small.buffer_pool_size = 16;
        small.class_bytes = 1 << 20;
        small.large_buffers = 1;
        small.deferred_max = 16;
        loop.server = sws.AsyncServer.initConfig(std.testing.allocator, "127.0.0.1:0", null, small) catch |err| switch (err) {
            error.RingDenied, error.KernelTooOld => return skipped.forWantOfRing(),
            else => return err,
        };
        errdefer loop.server.deinit();
        // A turn ends every few milliseconds, and a test looks at what it waits for.
        try loop.server.addHookTick(nothing);
        return loop;
    }

    fn nothing(_: *sws.AsyncServer) void {}

    pub fn begin(loop: *Loop) !void {
        try loop.server.begin();
    }

    pub fn until(loop: *Loop, done: *const bool) !void {
        const end_ms = loop.server.io.monotonic_ms() + timeout_ms;
        while (!done.*) {
            try loop.server.turn();
            if (loop.server.io.monotonic_ms() > end_ms) return error.Timeout;
        }
    }

    pub fn turnFor(loop: *Loop, milliseconds: u64) !void {
        const end_ms = loop.server.io.monotonic_ms() + milliseconds;
        while (loop.server.io.monotonic_ms() < end_ms) try loop.server.turn();
    }

    /// Stops, and looks for what wasn't given back.
    pub fn finish(loop: *Loop) !void {
        defer {
            loop.server.deinit();
            std.testing.allocator.destroy(loop);
        }
        loop.server.stop();
        const end_ms = loop.server.io.monotonic_ms() + timeout_ms;
        while (!loop.server.isDone()) {
            try loop.server.turn();
            if (loop.server.io.monotonic_ms() > end_ms) return error.Timeout;
        }
        const rs = loop.server.rs;
        try std.testing.expectEqual(@as(usize, 0), rs.registry.used());
        try std.testing.expectEqual(@as(u64, 0), rs.registry.discarded);
        try std.testing.expectEqual(@as(usize, 0), rs.dns.pending());
        try std.testing.expectEqual(null, rs.timers.list.first);
    }
};
