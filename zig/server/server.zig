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
const descriptors = @import("descriptors.zig");
const Acceptor = @import("acceptor.zig").Acceptor;
const Config = @import("config.zig").Config;
const Connections = @import("connections.zig").Connections;
const ContentType = @import("context.zig").ContentType;
const Core = @import("core.zig").Core;
const DeferredNode = deferred_of.DeferredNode;
const Event = io_of.Event;
const Next = @import("next.zig").Next;
const StackSlot = slot_of.StackSlot;
const LargeBufferPool = @import("large_buffer_pool.zig").LargeBufferPool;
const StackPool = @import("stack_pool.zig").StackPool;
const IORegistry = @import("outgoing/registry.zig").IORegistry;
const FiberShared = @import("outgoing/fiber_shared.zig").FiberShared;
const RingSharedType = @import("outgoing/ring_shared.zig").RingSharedType;
const UserData = io_of.UserData;
const routes = @import("routes.zig");
const web_socket = @import("web_socket.zig");

/// The server on Linux's io_uring.
pub const AsyncServer = ServerType(io_of.Linux);

/// How often time-outs are looked for: a tenth of the connections each time, so that each is seen once a second.
const sweep_interval_ms = 100;
const sweep_parts = 10;

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
        /// How many are within a function that other threads may call.
        callers: std.atomic.Value(u32) = .init(0),
        /// What goes out through the server's own ring.
        rs: *RingSharedType(IO),
        /// Rings beside it, which the loop drives, too.
        fiber_shared: ?*FiberShared = null,
        next: Next,
        hooks_deferred: [hooks_max]HookDeferred = undefined,
        hooks_deferred_len: usize = 0,
        hooks_tick: [hooks_max]HookTick = undefined,
        hooks_tick_len: usize = 0,
        /// The first registration that failed: `run` tells it.
        registration_error: ?anyerror = null,
        stop_requested: std.atomic.Value(bool) = .init(false),
        stop_deadline_ms: u64 = 0,
        acceptor: Acceptor(Server) = .{},
        sweep_after_ms: u64 = 0,
        sweep_at: u32 = 0,

        const Server = @This();

        pub const HookDeferred = *const fn (server: *Server, node: *DeferredNode) void;
        pub const HookTick = *const fn (server: *Server) void;
        pub const DeferredResponse = deferred_of.DeferredResponse(Server);

        /// As the seed has it. `address` is "0.0.0.0:9090" or "[::]:9090"; the KB of a fiber's stack may be 0 for what `Config` says.
        pub fn init(
            allocator: std.mem.Allocator,
            _: std.Io,
            address: []const u8,
            app_ctx: ?*anyopaque,
            fiber_stack_size_kb: u32,
        ) !Server {
            return initConfig(allocator, address, app_ctx, .{ .fiber_stack_size_kb = fiber_stack_size_kb });
        }

        /// Reserves all there is and listens; connections are served by `run`. `error.RingDenied` and `error.KernelTooOld` say that
        /// this machine needs another server, `error.DescriptorLimitTooLow` that its limit doesn't allow the slots.
        pub fn initConfig(allocator: std.mem.Allocator, address: []const u8, app_ctx: ?*anyopaque, config: Config) !Server {
            try config.check();
            try descriptors.secure(IO, &config);
            var io: IO = try .init(.{
                .buffer_size = config.buffer_size,
                .buffer_count = config.buffer_pool_size,
                .descriptors = config.slotCount(),
                .outgoing = config.outgoing_max,
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
            var next: Next = try .init(allocator, &config);
            errdefer next.deinit();
            return .{
                .allocator = allocator,
                .core = core,
                .io = io,
                .app_ctx = app_ctx,
                .connections = connections,
                .deferred_queue = deferred_queue,
                .rs = try .create(allocator, .{ .outgoing = config.outgoing_max, .invokes = config.deferred_max, .dns = config.dns }),
                .next = next,
            };
        }

        /// Waits for workers that compute.
        pub fn deinit(server: *Server) void {
            Outside.endWorkers(server);
            // Whoever has handed something over from a thread of its own may still be about to wake the loop for it.
            while (server.callers.load(.acquire) != 0) std.Thread.yield() catch {};
            server.next.deinit();
            while (server.deferred_queue.pop()) |node| node.free(server.allocator);
            server.io.deinit();
            server.deferred_queue.deinit(server.allocator);
            server.rs.destroy();
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
            server.core.routes.addWebSocket(pattern, handler) catch |err| return server.registrationFailed(pattern, err);
            server.core.broadcasts.topics.keep(pattern) catch |err| server.registrationFailed(pattern, err);
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

        const Outside = @import("outside.zig").Outside(Server);
        pub const sendDeferredResponse = Outside.sendDeferredResponse;
        pub const sendDeferredFields = Outside.sendDeferredFields;
        pub const invokeOnIoThread = Outside.invokeOnIoThread;
        pub const broadcast = Outside.broadcast;
        pub const broadcastFromAnyThread = Outside.broadcastFromAnyThread;
        pub const sendMessage = Outside.sendMessage;
        pub const initPool4NextSubmit = Outside.initPool4NextSubmit;

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

        // The seed's names for what lies deeper here.

        pub fn pool(server: *Server) *StackPool(StackSlot) {
            return &server.core.slots;
        }

        pub fn large_pool(server: *Server) *LargeBufferPool {
            return &server.core.buffers.large;
        }

        pub fn io_registry(server: *Server) *IORegistry {
            return &server.rs.registry;
        }

        pub fn dns_resolver(server: *Server) *RingSharedType(IO).DnsResolver {
            return server.rs.dns;
        }

        // The loop.

        /// Serves until `stop`. The calling thread becomes the loop's.
        pub fn run(server: *Server) !void {
            try server.begin();
            defer server.next.leave();
            while (!server.isDone()) try server.turn();
        }

        /// What `run` does first, for those who turn by themselves.
        pub fn begin(server: *Server) !void {
            if (server.registration_error) |err| return err;
            if (server.core.config.io_cpu) |cpu| try pin(cpu);
            server.core.server = server;
            var seed: [8]u8 = undefined;
            server.io.randomBytes(&seed);
            server.core.broadcasts.topics.reseed(std.mem.bytesToValue(u64, &seed));
            server.connections.own();
            server.next.own(Outside.loopOf(server));
            if (server.next.workers) |workers| if (IO.has_threads) try workers.start();
            try server.io.start();
            server.rs.begin(&server.io);
            if (server.fiber_shared) |shared| shared.tick();
            server.readClock();
            server.acceptor.arm(server);
        }

        /// Stopped, every connection gone, and every task of `Next` done or given up.
        pub fn isDone(server: *const Server) bool {
            const is_idle = (server.next.pending() == 0 or server.next.abandoned > 0) and server.rs.isIdle();
            return server.core.stopping and is_idle and server.core.slots.live_len == 0 and server.connections.descriptors_open == 0;
        }

        pub fn turn(server: *Server) !void {
            server.next.enter();
            server.take(try server.io.turn(&server.events, server.timeout()));
            server.next.turn(server.core.now_ms);
            server.drain();
            server.rs.tick(server.core.now_ms);
            if (server.fiber_shared) |shared| shared.tick();
            for (server.hooks_tick[0..server.hooks_tick_len]) |hook| hook(server);
            if (server.stop_requested.load(.acquire)) server.stopStep();
            if (server.core.now_ms >= server.sweep_after_ms) server.sweep();
            if (server.connections.starved > 0) server.connections.feedStarved(server);
            server.connections.flush(server);
            server.acceptor.arm(server);
        }

        /// What has happened.
        pub fn take(server: *Server, events: []const Event) void {
            server.readClock();
            for (events) |*event| server.dispatch(event);
            if (events.len < io_of.events_per_turn_max) server.core.broadcasts.endRound();
        }

        fn dispatch(server: *Server, event: *const Event) void {
            const data = event.user_data;
            switch (data.operation) {
                .accept => server.acceptor.on(server, event),
                .receive => server.connections.onReceive(server, event),
                .send => server.connections.onSend(server, event),
                .unacknowledged => server.connections.onUnacknowledged(server, event),
                .close => {
                    assert(event.result == 0);
                    server.connections.descriptors_open -= 1;
                    server.acceptor.after_ms = 0;
                },
                .shutdown => server.connections.onShutdown(server, event),
                // A cancel that finds nothing came too late. Another thread's wake has no news of its own.
                .cancel, .wake => {},
                .socket_connect, .socket_receive, .socket_send, .socket_shutdown, .socket_close, .socket_poll => server.rs.registry.dispatch(event),
            }
        }

        /// What other threads sent.
        fn drain(server: *Server) void {
            for (0..deferred_per_turn_max) |_| {
                const node = server.deferred_queue.pop() orelse break;
                server.connections.answerDeferred(server, node);
            } else server.io.wake();
        }

        fn stopStep(server: *Server) void {
            if (!server.core.stopping) {
                server.core.stopping = true;
                server.stop_deadline_ms = server.core.now_ms + server.core.config.stop_timeout_ms;
                server.acceptor.arm(server);
                server.io.closeListener();
            }
            const is_late = server.core.now_ms >= server.stop_deadline_ms;
            // Answers may depend on what comes from elsewhere.
            if (is_late or server.core.slots.live_len == 0) {
                server.rs.closeAll();
                if (server.fiber_shared) |shared| shared.closeAll();
            }
            if (is_late) server.next.abandon();
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
            if (server.acceptor.after_ms > now) until = @min(until, server.acceptor.after_ms);
            if (server.connections.starved > 0) until = @min(until, now + 1);
            if (server.core.broadcasts.changed_len > 0) until = now;
            until = @min(until, server.next.wakeAtMs(now, server.core.config.tick_interval_ms));
            if (server.core.stopping) until = @min(until, now + sweep_interval_ms);
            until = @min(until, @max(now, server.rs.nextDeadline()));
            const tick_ms = now + server.core.config.tick_interval_ms;
            if (server.fiber_shared) |shared| until = @min(until, @max(now, shared.nextDeadline(tick_ms)));
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
