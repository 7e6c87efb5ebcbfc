//! The server: one thread, one ring. A turn of its loop hands over what was queued, takes what happened, and answers it.
//!
//! A connection is read from all the time (one multishot receive), and written to by one send at a time. What arrives while
//! it is busy stays in the buffers it came in; beyond a few of them its receive ends until they are worked off.

const std = @import("std");
const assert = std.debug.assert;
const io_of = @import("io.zig");
const slot_of = @import("slot.zig");
const answer = @import("answer.zig");
const deferred_of = @import("deferred.zig");
const Config = @import("config.zig").Config;
const Connections = @import("connections.zig").Connections;
const ContentType = @import("context.zig").ContentType;
const Core = @import("core.zig").Core;
const DeferredNode = deferred_of.DeferredNode;
const Event = io_of.Event;
const StackSlot = slot_of.StackSlot;
const UserData = io_of.UserData;
const routes = @import("routes.zig");
const web_socket = @import("web_socket.zig");

/// The server on Linux's io_uring.
pub const AsyncServer = ServerType(io_of.Linux);

/// How often time-outs are looked for: a tenth of the connections each time, so that each is seen once a second.
const sweep_interval_ms = 100;
const sweep_parts = 10;

/// When accepting failed for want of descriptors, and nobody closed one since.
const accept_retry_ms = 20;

/// Deferred answers that are sent before the loop looks at its connections again.
const deferred_per_turn_max = 1024;

/// Hooks of each kind.
const hooks_max = 32;

pub fn ServerType(comptime IO: type) type {
    return struct {
        allocator: std.mem.Allocator,
        core: Core,
        io: IO,
        app_ctx: ?*anyopaque,
        connections: Connections(Server),
        events: [io_of.events_per_turn_max]Event = undefined,
        deferred_queue: deferred_of.DeferredQueue,
        invoke_queue: deferred_of.InvokeQueue,
        hooks_deferred: [hooks_max]HookDeferred = undefined,
        hooks_deferred_len: usize = 0,
        hooks_tick: [hooks_max]HookTick = undefined,
        hooks_tick_len: usize = 0,
        /// The first registration that failed: `run` tells it.
        registration_error: ?anyerror = null,
        stop_requested: std.atomic.Value(bool) = .init(false),
        stop_deadline_ms: u64 = 0,
        accepting: bool = false,
        accept_cancelled: bool = false,
        /// No connection is accepted any more, those that are open go on.
        accept_ended: bool = false,
        accept_after_ms: u64 = 0,
        sweep_after_ms: u64 = 0,
        sweep_at: u32 = 0,

        const Server = @This();

        pub const HookDeferred = *const fn (server: *Server, node: *DeferredNode) void;
        pub const HookTick = *const fn (server: *Server) void;
        pub const DeferredResponse = deferred_of.DeferredResponse(Server);

        /// As the seed has it. `address` is "0.0.0.0:9090" or "[::]:9090"; the KB of a fiber's stack
        /// are of no use yet (`Config`).
        pub fn init(
            allocator: std.mem.Allocator,
            _: std.Io,
            address: []const u8,
            app_ctx: ?*anyopaque,
            fiber_stack_size_kb: u32,
        ) !Server {
            return initConfig(allocator, address, app_ctx, .{ .fiber_stack_size_kb = fiber_stack_size_kb });
        }

        /// Reserves all there is and listens; connections are served by `run`. `error.RingDenied` and
        /// `error.KernelTooOld` say that this machine needs another server.
        pub fn initConfig(allocator: std.mem.Allocator, address: []const u8, app_ctx: ?*anyopaque, config: Config) !Server {
            try config.check();
            var io: IO = try .init(.{
                .buffer_size = config.buffer_size,
                .buffer_count = config.buffer_pool_size,
                .descriptors = config.slotCount(),
            });
            errdefer io.deinit();
            try io.listen(try std.Io.net.IpAddress.parseLiteral(address), config.reuse_port);
            return initIo(allocator, app_ctx, config, io);
        }

        /// On I/O that listens already. The server owns it from here on.
        pub fn initIo(allocator: std.mem.Allocator, app_ctx: ?*anyopaque, config: Config, io: IO) !Server {
            var core: Core = try .init(allocator, config);
            errdefer core.deinit();
            core.app_ctx = app_ctx;
            var connections: Connections(Server) = try .init(config.buffer_pool_size);
            errdefer connections.deinit();
            var deferred_queue: deferred_of.DeferredQueue = try .init(allocator, config.deferred_max);
            errdefer deferred_queue.deinit(allocator);
            return .{
                .allocator = allocator,
                .core = core,
                .io = io,
                .app_ctx = app_ctx,
                .connections = connections,
                .deferred_queue = deferred_queue,
                .invoke_queue = try .init(allocator, config.deferred_max),
            };
        }

        pub fn deinit(server: *Server) void {
            while (server.deferred_queue.pop()) |node| node.allocator.free(node.body);
            server.io.deinit();
            server.deferred_queue.deinit(server.allocator);
            server.invoke_queue.deinit(server.allocator);
            server.connections.deinit();
            server.core.deinit();
            server.* = undefined;
        }

        // Routes.

        pub fn GET(server: *Server, pattern: []const u8, handler: routes.Handler) void {
            server.route(.get, pattern, handler);
        }

        pub fn POST(server: *Server, pattern: []const u8, handler: routes.Handler) void {
            server.route(.post, pattern, handler);
        }

        pub fn PUT(server: *Server, pattern: []const u8, handler: routes.Handler) void {
            server.route(.put, pattern, handler);
        }

        pub fn PATCH(server: *Server, pattern: []const u8, handler: routes.Handler) void {
            server.route(.patch, pattern, handler);
        }

        pub fn DELETE(server: *Server, pattern: []const u8, handler: routes.Handler) void {
            server.route(.delete, pattern, handler);
        }

        /// Every method that has no route of its own for the pattern.
        pub fn any(server: *Server, pattern: []const u8, handler: routes.Handler) void {
            server.route(.any, pattern, handler);
        }

        /// Makes WebSockets of connections that ask for it, and gives their messages to the handler.
        pub fn ws(server: *Server, pattern: []const u8, handler: web_socket.Handler) void {
            server.core.routes.addWebSocket(pattern, handler) catch |err| server.registrationFailed(pattern, err);
        }

        /// Runs before every handler.
        pub fn use(server: *Server, middleware: routes.Middleware) void {
            server.core.routes.use(middleware) catch |err| server.registrationFailed("middleware", err);
        }

        fn route(server: *Server, method: routes.Method, pattern: []const u8, handler: routes.Handler) void {
            server.core.routes.add(method, pattern, handler) catch |err| server.registrationFailed(pattern, err);
        }

        fn registrationFailed(server: *Server, what: []const u8, err: anyerror) void {
            std.log.scoped(.server).err("{s} can't be registered: {t}", .{ what, err });
            if (server.registration_error == null) server.registration_error = err;
        }

        // Hooks, and what comes from other threads.

        /// Runs on the loop's thread before each deferred answer is sent.
        pub fn addHookDeferred(server: *Server, hook: HookDeferred) error{TooManyHooks}!void {
            if (server.hooks_deferred_len == hooks_max) return error.TooManyHooks;
            server.hooks_deferred[server.hooks_deferred_len] = hook;
            server.hooks_deferred_len += 1;
        }

        /// Runs on the loop's thread in every turn, and at least every `tick_interval_ms`.
        pub fn addHookTick(server: *Server, hook: HookTick) error{TooManyHooks}!void {
            if (server.hooks_tick_len == hooks_max) return error.TooManyHooks;
            server.hooks_tick[server.hooks_tick_len] = hook;
            server.hooks_tick_len += 1;
        }

        /// From any thread: answers the deferred request of a connection, with a copy of the body. Waits while the queue is
        /// full. An answer to a connection that is gone is discarded, and counted.
        pub fn sendDeferredResponse(
            server: *Server,
            conn_id: u64,
            status: u16,
            content_type: ContentType,
            body: []const u8,
        ) void {
            const copy = server.allocator.dupe(u8, body) catch {
                // The client must not wait for ever: an empty body needs no memory.
                return server.pushDeferred(.{ .conn_id = conn_id, .status = 503, .content_type = .text, .body = &.{}, .allocator = server.allocator });
            };
            server.pushDeferred(.{
                .conn_id = conn_id,
                .status = status,
                .content_type = content_type,
                .body = copy,
                .allocator = server.allocator,
            });
        }

        fn pushDeferred(server: *Server, node: DeferredNode) void {
            while (!server.deferred_queue.push(node)) {
                // On the loop's own thread nobody else would make room.
                if (server.connections.isOnThread()) {
                    if (server.deferred_queue.pop()) |first| server.connections.answerDeferred(server, first);
                } else std.Thread.yield() catch {};
            }
            server.io.wake();
        }

        /// From any thread: runs `run(allocator, context)` on the loop's thread. False when too many wait already.
        pub fn invokeOnIoThread(
            server: *Server,
            comptime C: type,
            context: *C,
            comptime run_on_thread: fn (std.mem.Allocator, *C) void,
        ) bool {
            const Call = struct {
                fn call(erased: *anyopaque, allocator: std.mem.Allocator) void {
                    run_on_thread(allocator, @ptrCast(@alignCast(erased)));
                }
            };
            if (!server.invoke_queue.push(.{ .run = Call.call, .context = context })) return false;
            server.io.wake();
            return true;
        }

        /// From any thread: no connection is accepted any more, what is under way is answered, and `run` returns.
        pub fn stop(server: *Server) void {
            server.stop_requested.store(true, .release);
            server.io.wake();
        }

        /// Milliseconds of the loop's clock, which is read once a turn.
        pub fn monotonic_ms(server: *const Server) u64 {
            return server.core.now_ms;
        }

        /// The port that is listened at.
        pub fn port(server: *const Server) u16 {
            return server.io.port();
        }

        // The loop.

        /// Serves until `stop`. The calling thread becomes the loop's.
        pub fn run(server: *Server) !void {
            try server.begin();
            while (!server.isDone()) try server.turn();
        }

        /// What `run` does first, for those who turn by themselves.
        pub fn begin(server: *Server) !void {
            if (server.registration_error) |err| return err;
            if (server.core.config.io_cpu) |cpu| try pin(cpu);
            server.core.server = server;
            server.connections.own();
            try server.io.start();
            server.readClock();
            server.armAccept();
        }

        /// Stopped, and every connection gone.
        pub fn isDone(server: *const Server) bool {
            return server.core.stopping and server.core.slots.live_len == 0 and server.connections.descriptors_open == 0;
        }

        pub fn turn(server: *Server) !void {
            server.take(try server.io.turn(&server.events, server.timeout()));
            server.drain();
            for (server.hooks_tick[0..server.hooks_tick_len]) |hook| hook(server);
            if (server.stop_requested.load(.acquire)) server.stopStep();
            if (server.core.now_ms >= server.sweep_after_ms) server.sweep();
            if (server.connections.starved > 0) server.connections.feedStarved(server);
            server.armAccept();
        }

        /// What has happened.
        pub fn take(server: *Server, events: []const Event) void {
            server.readClock();
            for (events) |*event| server.dispatch(event);
        }

        fn dispatch(server: *Server, event: *const Event) void {
            const data = event.user_data;
            switch (data.operation) {
                .accept => server.onAccept(event),
                .receive => server.connections.onReceive(server, event),
                .send => server.connections.onSend(server, event),
                .close => {
                    assert(event.result == 0);
                    server.connections.descriptors_open -= 1;
                    server.accept_after_ms = 0;
                },
                .shutdown => server.connections.onShutdown(server, event),
                // A cancel that finds nothing came too late. Another thread's wake has no news of its own.
                .cancel, .wake => {},
            }
        }

        fn onAccept(server: *Server, event: *const Event) void {
            if (!event.more) {
                server.accepting = false;
                server.accept_cancelled = false;
            }
            if (event.failure()) |err| {
                if (err == .CANCELED) return;
                server.core.stats.accept_errors += 1;
                if (server.core.application) |application| application.onAcceptFailure(application.context, @intFromEnum(err));
                server.accept_after_ms = server.core.now_ms + accept_retry_ms;
                return;
            }
            server.connections.onAccept(server, @intCast(event.result));
        }

        pub fn armAccept(server: *Server) void {
            const data: UserData = .{ .index = 0, .operation = .accept, .generation = 0 };
            const is_wanted = !server.core.slots.isFull() and !server.core.stopping and !server.accept_ended;
            if (is_wanted and !server.accepting and server.core.now_ms >= server.accept_after_ms) {
                server.io.accept(data);
                server.accepting = true;
            } else if (!is_wanted and server.accepting and !server.accept_cancelled) {
                // Who is not accepted waits in the kernel's backlog, and not with us.
                var cancel = data;
                cancel.operation = .cancel;
                server.io.cancel(data, cancel);
                server.accept_cancelled = true;
            }
        }

        /// What other threads sent.
        fn drain(server: *Server) void {
            for (0..deferred_per_turn_max) |_| {
                const node = server.deferred_queue.pop() orelse break;
                server.connections.answerDeferred(server, node);
            } else server.io.wake();
            for (0..deferred_per_turn_max) |_| {
                const invoke = server.invoke_queue.pop() orelse break;
                invoke.run(invoke.context, server.allocator);
            } else server.io.wake();
        }

        fn stopStep(server: *Server) void {
            if (!server.core.stopping) {
                server.core.stopping = true;
                server.stop_deadline_ms = server.core.now_ms + server.core.config.stop_timeout_ms;
                server.armAccept();
                server.io.closeListener();
            }
            const is_late = server.core.now_ms >= server.stop_deadline_ms;
            // From the end: closing takes the last one's place.
            var position = server.core.slots.live_len;
            while (position > 0) {
                position -= 1;
                const slot = &server.core.slots.slots[server.core.slots.live[position]];
                if (is_late or server.connections.isIdle(slot)) server.connections.close(server, slot) else server.connections.goAway(server, slot);
            }
        }

        fn sweep(server: *Server) void {
            server.sweep_after_ms = server.core.now_ms + sweep_interval_ms;
            const slots = &server.core.slots;
            for (0..slots.live_len / sweep_parts + 1) |_| {
                if (slots.live_len == 0) return;
                if (server.sweep_at >= slots.live_len) server.sweep_at = 0;
                const slot = &slots.slots[slots.live[server.sweep_at]];
                assert(slot.line5.sentinel == slot_of.sentinel_value);
                server.connections.checkTimes(server, slot);
                server.sweep_at += 1;
            }
        }

        /// How long the loop may sleep; null without end.
        fn timeout(server: *const Server) ?u64 {
            const now = server.core.now_ms;
            var until: u64 = std.math.maxInt(u64);
            if (server.core.slots.live_len > 0) until = @max(server.sweep_after_ms, now);
            if (server.hooks_tick_len > 0) until = @min(until, now + server.core.config.tick_interval_ms);
            if (server.accept_after_ms > now) until = @min(until, server.accept_after_ms);
            if (server.connections.starved > 0) until = @min(until, now + 1);
            if (server.core.stopping) until = @min(until, now + sweep_interval_ms);
            if (until == std.math.maxInt(u64)) return null;
            return (until - now) * std.time.ns_per_ms;
        }

        fn readClock(server: *Server) void {
            server.core.now_ms = server.io.monotonic_ms();
            server.core.now_seconds = server.io.realtime_seconds();
        }
    };
}

fn pin(cpu: u32) !void {
    const linux = std.os.linux;
    var set: linux.cpu_set_t = @splat(0);
    if (cpu >= @bitSizeOf(linux.cpu_set_t)) return error.InvalidConfig;
    set[cpu / @bitSizeOf(usize)] |= @as(usize, 1) << @intCast(cpu % @bitSizeOf(usize));
    try linux.sched_setaffinity(0, &set);
}
