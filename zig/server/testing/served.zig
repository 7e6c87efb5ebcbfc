//! A server for tests on a thread of its own, as programs have it.

const std = @import("std");
const skipped = @import("skipped.zig");
const sws = @import("../root.zig");

/// So that limits are met soon.
pub const small: sws.Config = .{
    .slots = 64,
    .buffer_size = 512,
    .buffer_pool_size = 64,
    .class_bytes = 1 << 20,
    .large_buffers = 4,
    .deferred_max = 16,
    .fibers_max = 8,
    .tasks_max = 16,
    // Unoptimized code takes more than optimized.
    .fiber_stack_size_kb = 128,
};

pub const Served = struct {
    server: sws.AsyncServer,
    thread: std.Thread = undefined,
    /// Which the server said of itself.
    loop: std.atomic.Value(std.Thread.Id) = .init(0),
    failure: ?anyerror = null,

    /// Skipped where io_uring is denied: these tests run wherever it is not.
    pub fn create(config: sws.Config, app_ctx: ?*anyopaque) !*Served {
        return createWith(std.testing.allocator, config, app_ctx);
    }

    /// With the allocator that the server is to have.
    pub fn createWith(allocator: std.mem.Allocator, config: sws.Config, app_ctx: ?*anyopaque) !*Served {
        const served = try std.testing.allocator.create(Served);
        errdefer std.testing.allocator.destroy(served);
        served.* = .{ .server = sws.AsyncServer.initConfig(allocator, "127.0.0.1:0", app_ctx, config) catch |err| switch (err) {
            error.RingDenied, error.KernelTooOld => return skipped.forWantOfRing(),
            else => return err,
        } };
        return served;
    }

    pub fn start(served: *Served) !void {
        served.thread = try .spawn(.{}, run, .{served});
    }

    fn run(served: *Served) void {
        served.loop.store(std.Thread.getCurrentId(), .release);
        served.server.run() catch |err| {
            served.failure = err;
        };
    }

    /// Stops, and looks for what wasn't given back.
    pub fn finish(served: *Served) !void {
        served.server.stop();
        served.thread.join();
        defer served.destroy();
        if (served.failure) |err| return err;
        const core = &served.server.core;
        try std.testing.expectEqual(@as(usize, 0), core.buffers.used());
        try std.testing.expectEqual(@as(u32, 0), core.slots.live_len);
        try std.testing.expectEqual(core.config.buffer_pool_size, served.server.io.buffers_free);
        try std.testing.expectEqual(@as(u32, 0), core.deferred);
        const broadcasts = &core.broadcasts;
        try std.testing.expectEqual(@as(u32, 0), broadcasts.messages.used + broadcasts.waiting.used + broadcasts.listeners);
        try std.testing.expectEqual(@as(u32, 0), broadcasts.topics.subscriptions.used);
        // Those of its routes.
        try std.testing.expectEqual(broadcasts.topics.kept, broadcasts.topics.topics.used);
    }

    /// Of one whose thread has ended.
    pub fn destroy(served: *Served) void {
        served.server.deinit();
        std.testing.allocator.destroy(served);
    }
};
