//! A server whose loop runs on a thread of its own, for tests that are its clients.

const std = @import("std");
const sws = @import("../root.zig");

pub const Running = struct {
    server: sws.AsyncServer,
    thread: std.Thread = undefined,
    failure: ?anyerror = null,

    /// Small, so that limits are met soon.
    pub const small: sws.Config = .{
        .slots = 64,
        .buffer_size = 512,
        .buffer_pool_size = 64,
        .class_bytes = 1 << 20,
        .large_buffers = 4,
        .deferred_max = 16,
        .fibers_max = 8,
        .tasks_max = 16,
        .worker_fibers_max = 16,
        // Unoptimized code takes more than optimized.
        .fiber_stack_size_kb = 128,
    };

    /// Its routes are the caller's. Skipped where io_uring is denied: these tests run wherever it is not.
    pub fn create(config: sws.Config, app_ctx: ?*anyopaque) !*Running {
        return createWith(std.testing.allocator, config, app_ctx);
    }

    pub fn createWith(allocator: std.mem.Allocator, config: sws.Config, app_ctx: ?*anyopaque) !*Running {
        const running = try std.testing.allocator.create(Running);
        errdefer std.testing.allocator.destroy(running);
        const server = sws.AsyncServer.initConfig(allocator, "127.0.0.1:0", app_ctx, config) catch |err| switch (err) {
            error.RingDenied, error.KernelTooOld => return error.SkipZigTest,
            else => return err,
        };
        running.* = .{ .server = server };
        return running;
    }

    pub fn start(running: *Running) !void {
        running.thread = try .spawn(.{}, run, .{running});
    }

    fn run(running: *Running) void {
        running.server.run() catch |err| {
            running.failure = err;
        };
    }

    /// Stops, and looks for what wasn't given back.
    pub fn finish(running: *Running) !void {
        running.server.stop();
        running.thread.join();
        defer {
            running.server.deinit();
            std.testing.allocator.destroy(running);
        }
        if (running.failure) |err| return err;
        try std.testing.expectEqual(@as(usize, 0), running.server.core.buffers.used());
        try std.testing.expectEqual(@as(u32, 0), running.server.core.slots.live_len);
        try std.testing.expectEqual(running.server.core.config.buffer_pool_size, running.server.io.buffers_free);
        try std.testing.expectEqual(@as(u32, 0), running.server.core.deferred);
    }
};
