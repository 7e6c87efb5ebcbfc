//! One run of the simulator: a whole server with random limits under random clients and faults, all from one seed.

const std = @import("std");
const sws = @import("../root.zig");
const Application = @import("handlers.zig").Application;
const Client = @import("client.zig").Client;
const Ending = @import("client.zig").Ending;
const Fault = @import("../io/simulated.zig").Fault;
const Server = @import("../server.zig").ServerType(sws.io.Simulated);
const Elsewhere = @import("elsewhere.zig").Elsewhere;
const memory_of = @import("memory.zig");
pub const Memory = memory_of.Memory;
const clients_max = memory_of.clients_max;
const outgoing_max = memory_of.outgoing_max;
const sockets_max = memory_of.sockets_max;
const Simulated = sws.io.Simulated;
const SocketClient = @import("socket_client.zig").SocketClient;

/// A run ends when so much happened and everybody is done.
pub const events_min = 10_000;

/// Turns that a run may take: one that goes on for ever without an event is a fault, too.
const turns_max = 300_000;

pub const Result = struct {
    events: u64 = 0,
    /// Of all events in their order: the same seed gives the same.
    hash: u64 = 0,
    turns: u64 = 0,
    virtual_ms: u64 = 0,
    connections: u64 = 0,
    responses: u64 = 0,
    faults: std.EnumArray(Fault, u64) = .initFill(0),
    endings: std.EnumArray(Ending, u64) = .initFill(0),
    stats: sws.Stats = .{},
    /// Messages that WebSockets got back, broadcasts that they heard, and Pings.
    echoes: u64 = 0,
    heard: u64 = 0,
    pings: u64 = 0,
    broadcast_refused: u64 = 0,
    resumed: u64 = 0,
    polls: u64 = 0,
    completed: u64 = 0,
    lost: u64 = 0,
    doubled: u64 = 0,
    stopped_early: u64 = 0,
    memory_refused: u64 = 0,
    /// That came back from far ends.
    returned: u64 = 0,
    /// Connections to elsewhere that failed.
    outgoing_failed: u64 = 0,
    names_asked: u64 = 0,
    names_unknown: u64 = 0,
    /// That others had asked for already, and that were known not to be there.
    names_joined: u64 = 0,
    names_known_absent: u64 = 0,
    outgoing_finished: u64 = 0,
    http_answered: u64 = 0,
    http_failed: u64 = 0,
    http_reused: u64 = 0,

    /// In every way that there is.
    pub fn wentOut(sum: *const Result) bool {
        const ways = [_]u64{ sum.returned, sum.outgoing_failed, sum.outgoing_finished, sum.names_unknown, sum.names_joined, sum.names_known_absent, sum.http_answered, sum.http_failed, sum.http_reused };
        return std.mem.min(u64, &ways) > 0;
    }

    pub fn add(sum: *Result, one: Result) void {
        inline for (.{ "events", "turns", "virtual_ms", "connections", "responses", "echoes", "heard", "pings", "broadcast_refused", "resumed", "polls", "completed", "lost", "doubled", "stopped_early", "memory_refused", "returned", "outgoing_failed", "names_asked", "names_unknown", "names_joined", "names_known_absent", "outgoing_finished", "http_answered", "http_failed", "http_reused" }) |name| {
            @field(sum, name) += @field(one, name);
        }
        for (std.enums.values(Fault)) |fault| sum.faults.getPtr(fault).* += one.faults.get(fault);
        for (std.enums.values(Ending)) |ending| sum.endings.getPtr(ending).* += one.endings.get(ending);
        inline for (std.meta.fields(sws.Stats)) |field| @field(sum.stats, field.name) += @field(one.stats, field.name);
    }
};

pub const Failure = Client.Failure || SocketClient.Failure || @import("elsewhere.zig").Failure || error{
    /// Connections ended without an answer, more than were given up for want of memory.
    UnexplainedEnding,
    /// A connection that there was no room for, and that had to be closed.
    AcceptedInVain,
    SlotLeaked,
    SubscriptionLeaked,
    BroadcastLeaked,
    BufferLeaked,
    DescriptorLeaked,
    DeferredLeaked,
    BodyLeaked,
    MemoryLeaked,
    SocketLeaked,
    CompletionDiscarded,
    NoEnd,
    Unexpected,
};

/// What the client saw that was told something wrong.
pub const Report = struct {
    buffer: [4096]u8 = undefined,
    len: usize = 0,

    fn describe(report: *Report, client: anytype) void {
        var writer: std.Io.Writer = .fixed(&report.buffer);
        client.describe(&writer) catch {};
        report.len = writer.end;
    }

    pub fn print(report: *const Report) void {
        std.debug.print("{s}", .{report.buffer[0..report.len]});
    }
};

fn randomConfig(random: std.Random) sws.Config {
    return .{
        .slots = 1 + random.uintLessThan(u32, 24),
        .buffer_size = @as(u32, 64) << random.uintLessThan(u5, 5),
        .buffer_pool_size = @as(u16, 8) << random.uintLessThan(u4, 4),
        .class_bytes = @as(usize, 64 * 1024) << random.uintLessThan(u6, 5),
        .large_buffers = 1 + random.uintLessThan(u32, 8),
        .large_buffer_bytes = 128 * 1024,
        .body_bytes_max = 20_000,
        .deferred_max = @as(u32, 2) << random.uintLessThan(u5, 5),
        .head_timeout_ms = 500,
        .body_timeout_ms = 700,
        .idle_timeout_ms = 2500,
        .write_timeout_ms = 600,
        .deferred_timeout_ms = 800,
        .linger_timeout_ms = 150,
        .stop_timeout_ms = 1000,
        .topics_max = 3,
        .subscriptions_max = 100,
        .broadcast_messages_max = 1 + random.uintLessThan(u32, 40),
        .broadcasts_waiting_max = 1 + random.uintLessThan(u16, 10),
        .fibers_max = 1 + random.uintLessThan(u32, 12),
        .tasks_max = @as(u32, 2) << random.uintLessThan(u5, 4),
        .worker_fibers_max = 1 + random.uintLessThan(u32, 4),
        // What unoptimized code takes.
        .fiber_stack_size_kb = 256,
        .worker_stack_size_kb = 256,
        .limits = .{ .head_bytes_max = 1024, .uri_bytes_max = 200 },
        .outgoing_max = 1 + random.uintLessThan(u16, outgoing_max),
        .dns = Elsewhere.dns,
    };
}

pub fn run(memory: *Memory, seed: u64, report: *Report) Failure!Result {
    memory.pool.reset();
    var allocations: memory_of.Allocations = .{ .backing_allocator = memory.pool.allocator() };
    const result = try runIn(allocations.allocator(), memory, seed, report);
    return if (allocations.deinit() == .leak) error.MemoryLeaked else result;
}

fn runIn(allocator: std.mem.Allocator, memory: *Memory, seed: u64, report: *Report) Failure!Result {
    var prng: std.Random.DefaultPrng = .init(seed);
    const random = prng.random();
    const config = randomConfig(random);
    const io = Simulated.init(allocator, .{
        .io = .{
            .buffer_size = config.buffer_size,
            .buffer_count = config.buffer_pool_size,
            .descriptors = config.slots + random.uintLessThan(u32, 3),
            .outgoing = config.outgoing_max,
        },
        .seed = random.int(u64),
        .windows = memory.windows[0 .. 2 * (clients_max + sockets_max) + 2 * @as(usize, config.outgoing_max)],
    }) catch return error.OutOfMemory;
    var app: Application = .{
        .allocator = allocator,
        .broadcast_buffer = &memory.broadcast,
        .prng = .init(random.int(u64)),
        .deferred_timeout_ms = config.deferred_timeout_ms,
    };
    defer app.deinit();
    var server = Server.initIo(allocator, &app, config, io) catch return error.OutOfMemory;
    defer server.deinit();
    app.register(&server);
    server.initPool4NextSubmit(1 + random.uintLessThan(u32, 2)) catch |err| switch (err) {
        error.InvalidConfig, error.AlreadyRunning => unreachable,
        error.OutOfMemory => return error.OutOfMemory,
    };
    server.io.listen(undefined, false) catch unreachable;
    server.begin() catch return error.Unexpected;
    for (server.next.workers.?.workers) |*worker| worker.scheduler.own();
    var elsewhere: Elsewhere = undefined;
    try elsewhere.init(allocator, &server, random.int(u64));
    defer elsewhere.deinit();

    const clients = try allocator.alloc(Client, 1 + random.uintLessThan(usize, clients_max));
    defer allocator.free(clients);
    for (clients, memory.received[0..clients.len]) |*client, *received| client.* = .{ .inbox = .{ .memory = received }, .scratch = &memory.scratch };
    defer for (clients) |*client| client.script.bytes.deinit(allocator);

    const sockets = try allocator.alloc(SocketClient, 1 + random.uintLessThan(usize, sockets_max));
    defer allocator.free(sockets);
    for (sockets, memory.socket_received[0..sockets.len]) |*socket, *received| socket.* = .{ .inbox = .{ .memory = received } };
    defer for (sockets) |*socket| socket.frames.bytes.deinit(allocator);

    var world: World = .{
        .allocator = allocator,
        .random = random,
        .server = &server,
        .app = &app,
        .elsewhere = &elsewhere,
        .clients = clients,
        .sockets = sockets,
        .report = report,
        .stops_early = random.uintLessThan(u8, 4) == 0,
        .grain_ns = grains_ns[random.uintLessThan(usize, grains_ns.len)],
    };
    try world.serve();
    return world.finish();
}

/// How fine the time is in which everybody but the server acts: one after the other, or several between two turns.
const grains_ns = [_]u64{ 1, 20 * std.time.ns_per_us, 100 * std.time.ns_per_us, 500 * std.time.ns_per_us };

const World = struct {
    allocator: std.mem.Allocator,
    random: std.Random,
    server: *Server,
    app: *Application,
    elsewhere: *Elsewhere,
    clients: []Client,
    sockets: []SocketClient,
    report: *Report,
    stops_early: bool,
    grain_ns: u64,
    result: Result = .{},
    /// Clients that have a connection, and when one of them acts next.
    connected: usize = 0,
    client_ns: u64 = std.math.maxInt(u64),
    app_ms: u64 = 0,
    spawn_ns: u64 = 0,

    fn serve(world: *World) Failure!void {
        const io = &world.server.io;
        while (true) {
            const enough = io.events >= events_min;
            if (enough and (world.stops_early or world.connected == 0)) return;
            if (!enough) {
                for (world.clients) |*client| try world.spawn(client);
                for (world.sockets) |*client| try world.spawn(client);
            }
            try world.turn();
        }
    }

    fn step(world: *World, client: anytype) Failure!void {
        if (client.connection == null) return;
        client.step(world.random, &world.server.io, &world.server.core.config) catch |err| {
            world.report.describe(client);
            return err;
        };
        if (client.connection != null) {
            world.client_ns = @min(world.client_ns, client.nextNs());
            return;
        }
        world.connected -= 1;
        if (client.ending == .unexplained) world.report.describe(client);
        world.result.endings.getPtr(client.ending).* += 1;
    }

    fn spawn(world: *World, client: anytype) Failure!void {
        const io = &world.server.io;
        if (client.connection != null or io.now_ns < world.spawn_ns) return;
        const connection = (io.clientConnect() catch return error.OutOfMemory) orelse return;
        const config = &world.server.core.config;
        world.result.connections += 1;
        if (@TypeOf(client) == *SocketClient) {
            client.frames.fill(world.allocator, world.random, config.body_bytes_max, world.result.connections) catch return error.OutOfMemory;
        } else client.script.fill(world.allocator, world.random, .{
            .head_bytes_max = config.limits.head_bytes_max,
            .uri_bytes_max = config.limits.uri_bytes_max,
            .body_bytes_max = config.body_bytes_max,
        }, world.result.connections) catch return error.OutOfMemory;
        client.begin(world.random, connection, io.now_ns);
        world.connected += 1;
        world.client_ns = @min(world.client_ns, client.nextNs());
        if (world.random.boolean()) world.spawn_ns = io.now_ns + world.random.uintLessThan(u64, 20 * std.time.ns_per_ms);
    }

    fn turn(world: *World) Failure!void {
        const io = &world.server.io;
        const ms = std.time.ns_per_ms;
        io.client_ns = @min(world.client_ns, world.elsewhere.nextNs(), world.app_ms *| ms);
        if (world.spawn_ns > io.now_ns) io.client_ns = @min(io.client_ns, world.spawn_ns);
        // Workers have no event of the loop's.
        if (world.server.next.workers.?.pending.load(.monotonic) > 0) io.client_ns = @min(io.client_ns, io.now_ns + ms);
        io.client_ns = (@max(io.client_ns, 1) - 1) / world.grain_ns *| world.grain_ns +| world.grain_ns;
        world.server.turn() catch return error.Unexpected;
        try world.elsewhere.step();
        // As if by their own threads: some of them, none, or several times.
        for (world.server.next.workers.?.workers) |*worker| {
            for (0..world.random.uintLessThan(usize, 4)) |_| _ = worker.turn(io.monotonic_ms());
        }
        world.app_ms = world.app.step(world.server, io.monotonic_ms());
        world.client_ns = std.math.maxInt(u64);
        for (world.clients) |*client| try world.step(client);
        for (world.sockets) |*client| try world.step(client);
        world.result.turns += 1;
        if (world.result.turns <= turns_max) return;
        for (world.clients) |*client| if (client.connection != null) world.report.describe(client);
        for (world.sockets) |*client| if (client.connection != null) world.report.describe(client);
        return error.NoEnd;
    }

    fn finish(world: *World) Failure!Result {
        const server = world.server;
        const io = &server.io;
        server.stop();
        world.elsewhere.end();
        const until_ms = io.monotonic_ms() + 10 * server.core.config.stop_timeout_ms;
        // The server doesn't wait for tasks that it has given up, but we do: some dozens, perhaps one after the other, with pauses of seconds.
        const tasks_until_ms = until_ms + 90 * server.core.config.stop_timeout_ms;
        for (world.clients) |*client| client.connection = null;
        for (world.sockets) |*client| client.connection = null;
        while (!server.isDone() or io.late.items.len > 0 or world.app.later.items.len > 0 or server.next.pending() > 0) {
            try world.turn();
            const end_ms = if (server.isDone()) tasks_until_ms else until_ms;
            if (io.monotonic_ms() > end_ms) return error.NoEnd;
        }
        const core = &server.core;
        const broadcasts = &core.broadcasts;
        if (broadcasts.listeners != 0 or broadcasts.topics.subscriptions.used != 0 or broadcasts.topics.topics.used != broadcasts.topics.kept) return error.SubscriptionLeaked;
        if (broadcasts.messages.used != 0 or broadcasts.waiting.used != 0) return error.BroadcastLeaked;
        if (core.slots.live_len != 0) return error.SlotLeaked;
        if (core.buffers.used() != 0 or io.buffers_free != core.config.buffer_pool_size) return error.BufferLeaked;
        if (io.descriptorsOpen() != 0) return error.DescriptorLeaked;
        if (core.deferred != 0) return error.DeferredLeaked;
        if (world.app.producing != 0) return error.BodyLeaked;
        try world.elsewhere.http.finish();
        const rs = server.rs;
        // Nothing of ours completes for somebody else: a socket waits for all of its operations.
        if (rs.registry.discarded != 0) return error.CompletionDiscarded;
        if (rs.registry.used() != 0 or rs.dns.pending() != 0 or rs.timers.list.first != null) return error.SocketLeaked;
        if (core.stats.accept_refused > 0) return error.AcceptedInVain;
        if (world.result.endings.get(.unexplained) > core.stats.exhausted) {
            std.debug.print("{d} ended without a reason: {}\n", .{ world.result.endings.get(.unexplained), core.stats });
            return error.UnexplainedEnding;
        }

        if (world.result.endings.get(.too_slow) > core.stats.slow_consumers) return error.UnexplainedEnding;
        for (world.sockets) |*client| {
            world.result.echoes += client.echoes;
            world.result.heard += client.heard;
            world.result.pings += client.pings;
        }
        world.result.broadcast_refused = world.app.broadcast_refused;
        for (world.clients) |*client| world.result.responses += client.responses;
        world.result.events = io.events;
        world.result.hash = io.hash;
        world.result.virtual_ms = io.monotonic_ms();
        world.result.faults = io.faults;
        world.result.stats = core.stats;
        world.result.memory_refused = core.buffers.refused;
        world.result.resumed = world.app.resumed;
        world.result.polls = world.app.polls;
        world.result.completed = world.app.completed;
        world.result.lost = world.app.lost;
        world.result.doubled = world.app.doubled;
        world.result.returned = world.elsewhere.bytes;
        world.result.outgoing_failed = world.elsewhere.failures;
        world.result.names_asked = world.elsewhere.questions;
        world.result.names_unknown = world.elsewhere.unknown_names;
        world.result.names_joined = rs.dns.stats.joined;
        world.result.names_known_absent = rs.dns.stats.known_absent;
        world.result.http_answered = world.elsewhere.http.answered;
        world.result.http_failed = world.elsewhere.http.failed;
        world.result.http_reused = world.elsewhere.http.cache.hits;
        world.result.outgoing_finished = world.elsewhere.graceful_ends;
        world.result.stopped_early = @intFromBool(world.stops_early);
        return world.result;
    }
};
