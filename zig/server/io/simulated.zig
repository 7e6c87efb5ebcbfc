//! I/O in memory, with a clock of its own: a kernel that does to a server whatever a kernel and a network may do to it,
//! late, in another order, in part, or not at all, from one seed. The same seed gives the same events.
//!
//! It also watches the server: bytes that change while they are being sent, two sends at once on one connection, a buffer
//! returned twice and a descriptor used after its close are faults of the server's, and end the run.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const interface = @import("../io.zig");
const BufferId = interface.BufferId;
const Descriptor = interface.Descriptor;
const Event = interface.Event;
const UserData = interface.UserData;
pub const Connection = @import("simulated/network.zig").Connection;
const outgoing_of = @import("simulated/outgoing.zig");
const transfer = @import("simulated/transfer.zig");
const Window = @import("simulated/network.zig").Window;
const socket_of = @import("simulated/socket.zig");
const Armed = socket_of.Armed;
const Socket = socket_of.Socket;
pub const Fault = socket_of.Fault;
pub const Rates = socket_of.Rates;

/// Connections that arrive at once.
const accepts_max = 3;

/// The longest an operation takes beyond its turn.
const delay_ns_max = 3 * std.time.ns_per_ms;

/// How often it is looked for operations that were delayed.
const step_ns = delay_ns_max / 8;

pub const Simulated = struct {
    allocator: std.mem.Allocator,
    prng: std.Random.DefaultPrng,
    rates: Rates,
    now_ns: u64 = std.time.ns_per_s,
    /// When a client acts next: no turn sleeps beyond it.
    client_ns: u64 = 0,
    connections: []Connection,
    /// Connections that were not accepted yet, oldest first.
    backlog: std.ArrayList(u32) = .empty,
    sockets: []Socket,
    /// One that goes on by itself, or single ones.
    accepting: std.ArrayList(Armed) = .empty,
    accept_shots: interface.Shots = .single,
    late: std.ArrayList(Late) = .empty,
    /// Sockets from there on are the server's own.
    outgoing_first: Descriptor,
    /// Connections that the server made, and nobody took yet.
    arrivals: std.ArrayList(outgoing_of.Arrival) = .empty,
    /// Open descriptors, in no order, and room for those that have something to do.
    opens: []Descriptor,
    opens_len: usize = 0,
    ready: []Descriptor,
    buffer_memory: []u8,
    buffer_size: u32,
    /// Which buffers the kernel has.
    buffers: std.DynamicBitSetUnmanaged,
    buffers_free: u32,
    wake_pending: bool = false,
    listening: bool = false,
    enters: u64 = 0,
    faults: std.EnumArray(Fault, u64) = .initFill(0),
    events: u64 = 0,
    hash: u64 = 0xcbf2_9ce4_8422_2325,

    /// Whatever other threads would do, the simulation does by itself.
    pub const has_threads = false;

    const Late = struct { event: Event, ready_ns: u64 };

    pub const SimulationOptions = struct {
        io: interface.Options,
        seed: u64,
        /// For each connection that may exist at once, accepted or not.
        windows: []([2]Window),
        rates: Rates = .{},
    };

    pub fn init(allocator: std.mem.Allocator, options: SimulationOptions) !Simulated {
        const io = options.io;
        const connections = try allocator.alloc(Connection, options.windows.len);
        errdefer allocator.free(connections);
        for (connections, options.windows) |*connection, *windows| connection.* = .init(windows);
        const sockets = try allocator.alloc(Socket, io.descriptors + io.outgoing);
        errdefer allocator.free(sockets);
        @memset(sockets, .{});
        const opens = try allocator.alloc(Descriptor, sockets.len);
        errdefer allocator.free(opens);
        const ready = try allocator.alloc(Descriptor, sockets.len);
        errdefer allocator.free(ready);
        const memory = try allocator.alloc(u8, @as(usize, io.buffer_size) * io.buffer_count);
        errdefer allocator.free(memory);
        return .{
            .allocator = allocator,
            .prng = .init(options.seed),
            .rates = options.rates,
            .connections = connections,
            .sockets = sockets,
            .outgoing_first = io.descriptors,
            .opens = opens,
            .ready = ready,
            .buffer_memory = memory,
            .buffer_size = io.buffer_size,
            .buffers = try .initFull(allocator, io.buffer_count),
            .buffers_free = io.buffer_count,
        };
    }

    pub fn deinit(io: *Simulated) void {
        io.allocator.free(io.connections);
        io.allocator.free(io.sockets);
        io.allocator.free(io.opens);
        io.allocator.free(io.ready);
        io.allocator.free(io.buffer_memory);
        io.buffers.deinit(io.allocator);
        io.backlog.deinit(io.allocator);
        io.accepting.deinit(io.allocator);
        io.late.deinit(io.allocator);
        io.arrivals.deinit(io.allocator);
        io.* = undefined;
    }

    // What a client does.

    /// A new connection, or null when all are taken.
    pub fn clientConnect(io: *Simulated) !?*Connection {
        if (!io.listening) return null;
        for (io.connections, 0..) |*connection, i| {
            if (!connection.isFree()) continue;
            connection.reset(false);
            try io.backlog.append(io.allocator, @intCast(i));
            return connection;
        }
        return null;
    }

    pub fn clientReset(io: *Simulated, connection: *Connection) void {
        io.count(.client_reset);
        connection.clientReset();
    }

    // What a server does.

    pub const outgoing = outgoing_of.outgoing;
    pub const takeArrival = outgoing_of.takeArrival;
    pub const openSocket = outgoing_of.openSocket;
    pub const connect = outgoing_of.connect;
    pub const receiveInto = outgoing_of.receiveInto;
    pub const randomBytes = outgoing_of.randomBytes;

    pub fn start(_: *Simulated) !void {}

    pub fn listen(io: *Simulated, _: std.Io.net.IpAddress, _: bool) !void {
        io.listening = true;
    }

    pub fn port(_: *const Simulated) u16 {
        return 80;
    }

    pub fn closeListener(io: *Simulated) void {
        io.listening = false;
        for (io.backlog.items) |index| io.dropConnection(index);
        io.backlog.clearRetainingCapacity();
    }

    pub const accepts_at_once_max = accepts_max;

    pub fn accept(io: *Simulated, user_data: UserData, shots: interface.Shots) void {
        assert(io.accepting.items.len == 0 or (shots == .single and io.accept_shots == .single));
        io.accept_shots = shots;
        io.accepting.append(io.allocator, io.armed(user_data)) catch @panic("out of memory");
    }

    pub fn receive(io: *Simulated, descriptor: Descriptor, user_data: UserData) void {
        const socket = io.open(descriptor);
        assert(socket.receiving == null);
        socket.receiving = io.armed(user_data);
        socket.cancelled = false;
    }

    pub fn send(io: *Simulated, descriptor: Descriptor, bytes: []const u8, user_data: UserData) void {
        io.sendPieces(descriptor, &.{.{ .base = bytes.ptr, .len = bytes.len }}, user_data);
    }

    pub fn sendVector(io: *Simulated, descriptor: Descriptor, message: *const linux.msghdr_const, user_data: UserData) void {
        io.sendPieces(descriptor, message.iov[0..message.iovlen], user_data);
    }

    fn sendPieces(io: *Simulated, descriptor: Descriptor, pieces: []const std.posix.iovec_const, user_data: UserData) void {
        const socket = io.open(descriptor);
        assert(socket.sending == null);
        assert(socket.shutting == null);
        socket.sending = .init(user_data, io.delayed(), pieces);
    }

    pub fn lookAtUnacknowledged(io: *Simulated, descriptor: Descriptor, user_data: UserData) void {
        const connection = &io.connections[io.open(descriptor).connection.?];
        io.completeLate(user_data, @intCast(connection.to_client.len));
    }

    pub fn shutdown(io: *Simulated, descriptor: Descriptor, user_data: UserData) void {
        const socket = io.open(descriptor);
        assert(socket.shutting == null);
        socket.shutting = io.armed(user_data);
    }

    pub fn close(io: *Simulated, descriptor: Descriptor, user_data: UserData) void {
        const socket = io.open(descriptor);
        socket.closing = io.armed(user_data);
        // What is under way ends later, even after its slot has another connection.
        if (socket.connecting) |connecting| io.completeLate(connecting.user_data, negative(.CANCELED));
        socket.connecting = null;
        if (socket.receiving) |receiving| {
            const has_data = io.chance(io.rates.data_after_cancel);
            if (has_data and socket.room == null) transfer.receiveLate(io, socket, receiving);
            const result = if (has_data and socket.room != null) outgoing_of.takeLate(io, socket) else negative(.CANCELED);
            io.completeLate(receiving.user_data, result);
            socket.receiving = null;
        }
        if (socket.sending) |sending| {
            sending.check();
            io.completeLate(sending.user_data, negative(.CANCELED));
            socket.sending = null;
        }
        // It would look its descriptor up when that is another connection's.
        assert(socket.shutting == null);
    }

    pub fn cancel(io: *Simulated, target: UserData, _: UserData) void {
        if (target.operation == .accept) {
            for (io.accepting.items) |_| io.completeLate(target, negative(.CANCELED));
            return io.accepting.clearRetainingCapacity();
        }
        for (io.sockets) |*socket| {
            const receiving = socket.receiving orelse continue;
            if (receiving.user_data == target) socket.cancelled = true;
        }
    }

    pub fn buffer(io: *Simulated, id: BufferId) []u8 {
        return io.buffer_memory[@as(usize, id) * io.buffer_size ..][0..io.buffer_size];
    }

    pub fn returnBuffer(io: *Simulated, id: BufferId) void {
        assert(!io.buffers.isSet(id));
        // Whoever still reads it shall see that it is no longer his.
        @memset(io.buffer(id), 0xaa);
        io.buffers.set(id);
        io.buffers_free += 1;
    }

    pub fn wake(io: *Simulated) void {
        io.wake_pending = true;
    }

    pub fn monotonic_ms(io: *const Simulated) u64 {
        return io.now_ns / std.time.ns_per_ms;
    }

    pub fn realtime_seconds(io: *const Simulated) u64 {
        return 1_700_000_000 + io.now_ns / std.time.ns_per_s;
    }

    /// Lets time pass until something happened: an operation, a client that acts, or the time-out.
    pub fn turn(io: *Simulated, events: []Event, timeout_ns: ?u64) error{Unexpected}![]Event {
        io.enters += 1;
        if (io.chance(io.rates.empty_turn)) {
            io.count(.empty_turn);
            return events[0..0];
        }
        const deadline_ns = @min(io.client_ns, if (timeout_ns) |ns| io.now_ns +| ns else std.math.maxInt(u64));
        var len = io.collect(events);
        while (len == 0 and io.now_ns < deadline_ns) {
            // In steps, so that several operations complete at once.
            const steps = (@max(io.readyNs(), io.now_ns + 1) - io.now_ns - 1) / step_ns + 1;
            io.now_ns += @min(steps *| step_ns, deadline_ns - io.now_ns);
            len = io.collect(events);
        }
        for (events[0..len]) |event| {
            io.events += 1;
            for ([_]u64{ io.now_ns, @bitCast(event.user_data), @as(u32, @bitCast(event.result)) }) |word| {
                io.hash = (io.hash ^ word) *% 0x0000_0100_0000_01b3;
            }
        }
        return events[0..len];
    }

    /// Descriptors that the server has not closed.
    pub fn descriptorsOpen(io: *const Simulated) u32 {
        return @intCast(io.opens_len);
    }

    /// When an operation may next complete, unless a client does something before.
    fn readyNs(io: *const Simulated) u64 {
        var ready_ns: u64 = std.math.maxInt(u64);
        for (io.late.items) |late| ready_ns = @min(ready_ns, late.ready_ns);
        if (io.accepting.items.len > 0 and io.backlog.items.len > 0) ready_ns = @min(ready_ns, io.accepting.items[0].ready_ns);
        for (io.opens[0..io.opens_len]) |descriptor| ready_ns = @min(ready_ns, io.socketReadyNs(descriptor));
        return ready_ns;
    }

    fn socketReadyNs(io: *const Simulated, descriptor: Descriptor) u64 {
        const socket = &io.sockets[descriptor];
        return socket.readyNs(&io.connections[socket.connection.?]);
    }

    fn collect(io: *Simulated, events: []Event) usize {
        var out: Sink = .{ .events = events };
        if (io.wake_pending) {
            io.wake_pending = false;
            out.add(.{ .user_data = .{ .index = 0, .operation = .wake, .generation = 0 }, .result = 8, .buffer = null, .more = false });
        }
        // Several connections may arrive at once.
        for (0..accepts_max) |_| io.acceptReady(&out);
        var ready_len: usize = 0;
        for (io.opens[0..io.opens_len]) |descriptor| {
            if (io.socketReadyNs(descriptor) > io.now_ns) continue;
            io.ready[ready_len] = descriptor;
            ready_len += 1;
        }
        io.random().shuffle(Descriptor, io.ready[0..ready_len]);
        var last: Descriptor = 0;
        for (io.ready[0..ready_len]) |descriptor| {
            // Room for a receive, a send, a shutdown and a close.
            if (events.len - out.len < 8) break;
            const before = out.len;
            io.socketReady(&io.sockets[descriptor], &out);
            if (out.len > before) {
                if (descriptor < last) io.count(.reordered);
                last = descriptor;
            }
        }
        var i: usize = 0;
        while (i < io.late.items.len and out.len < events.len) {
            if (io.late.items[i].ready_ns > io.now_ns) {
                i += 1;
                continue;
            }
            out.add(io.late.orderedRemove(i).event);
        }
        return out.len;
    }

    pub const Sink = struct {
        events: []Event,
        len: usize = 0,

        pub fn add(sink: *Sink, event: Event) void {
            sink.events[sink.len] = event;
            sink.len += 1;
        }
    };

    fn acceptReady(io: *Simulated, out: *Sink) void {
        if (io.accepting.items.len == 0) return;
        const accepting = io.accepting.items[0];
        if (accepting.ready_ns > io.now_ns or io.backlog.items.len == 0 or out.events.len - out.len < 8) return;
        var event: Event = .{ .user_data = accepting.user_data, .result = 0, .buffer = null, .more = io.accept_shots == .multi };
        if (io.chance(io.rates.accept_failed)) {
            io.count(.accept_failed);
            event.result = negative(if (io.random().boolean()) .MFILE else .CONNABORTED);
            event.more = false;
        } else {
            const index = io.backlog.orderedRemove(0);
            const descriptor = if (io.chance(io.rates.accept_dropped)) null else io.freeDescriptor().?;
            if (descriptor) |free| {
                io.opened(free, .{ .connection = index });
                event.result = @intCast(free);
                if (event.more and io.chance(io.rates.multishot_ended)) {
                    io.count(.multishot_ended);
                    event.more = false;
                }
            } else {
                // The kernel had no memory for it.
                io.count(.accept_dropped);
                io.dropConnection(index);
                event.result = negative(.NOMEM);
                event.more = false;
            }
        }
        if (event.more) io.accepting.items[0] = io.armed(accepting.user_data) else _ = io.accepting.orderedRemove(0);
        out.add(event);
    }

    fn socketReady(io: *Simulated, socket: *Socket, out: *Sink) void {
        const index = socket.connection orelse return;
        const connection = &io.connections[index];
        if (socket.closing) |closing| {
            if (closing.ready_ns > io.now_ns) return;
            out.add(.{ .user_data = closing.user_data, .result = 0, .buffer = null, .more = false });
            connection.serverClose();
            return io.closed(socket);
        }
        if (socket.shutting) |shutting| {
            if (shutting.ready_ns <= io.now_ns) {
                const result = if (connection.client_reset) negative(.NOTCONN) else 0;
                out.add(.{ .user_data = shutting.user_data, .result = result, .buffer = null, .more = false });
                connection.server_finished = true;
                socket.shutting = null;
            }
        }
        if (socket.connecting) |connecting| {
            if (connecting.ready_ns <= io.now_ns) out.add(outgoing_of.connectReady(io, socket));
        }
        if (socket.receiving) |receiving| {
            if (receiving.ready_ns <= io.now_ns) transfer.receiveReady(io, socket, receiving, out);
        }
        if (socket.sending) |*sending| {
            if (sending.ready_ns <= io.now_ns) transfer.sendReady(io, socket, sending, out);
        }
    }

    pub fn opened(io: *Simulated, descriptor: Descriptor, socket: Socket) void {
        io.sockets[descriptor] = socket;
        io.sockets[descriptor].open_at = @intCast(io.opens_len);
        io.opens[io.opens_len] = descriptor;
        io.opens_len += 1;
    }

    fn closed(io: *Simulated, socket: *Socket) void {
        io.opens_len -= 1;
        const last = io.opens[io.opens_len];
        io.opens[socket.open_at] = last;
        io.sockets[last].open_at = socket.open_at;
        socket.* = .{};
    }

    fn completeLate(io: *Simulated, user_data: UserData, result: i32) void {
        io.count(.late_completion);
        const event: Event = .{ .user_data = user_data, .result = result, .buffer = null, .more = false };
        io.late.append(io.allocator, .{ .event = event, .ready_ns = io.delayed() }) catch @panic("out of memory");
    }

    fn dropConnection(io: *Simulated, index: u32) void {
        const connection = &io.connections[index];
        connection.server_reset = true;
        connection.server_released = true;
        connection.dropped = true;
    }

    fn freeDescriptor(io: *Simulated) ?Descriptor {
        for (io.sockets[0..io.outgoing_first], 0..) |*socket, i| if (socket.connection == null) return @intCast(i);
        return null;
    }

    pub fn open(io: *Simulated, descriptor: Descriptor) *Socket {
        const socket = &io.sockets[descriptor];
        assert(socket.connection != null);
        assert(socket.closing == null);
        return socket;
    }

    pub fn armed(io: *Simulated, user_data: UserData) Armed {
        return .{ .user_data = user_data, .ready_ns = io.delayed() };
    }

    pub fn delayed(io: *Simulated) u64 {
        // Most operations take no time worth mentioning.
        return io.now_ns + if (io.chance(700)) 0 else io.random().uintLessThan(u64, delay_ns_max);
    }

    pub fn chance(io: *Simulated, per_mille: u16) bool {
        return io.random().uintLessThan(u16, 1000) < per_mille;
    }

    pub fn count(io: *Simulated, fault: Fault) void {
        io.faults.getPtr(fault).* += 1;
    }

    pub fn random(io: *Simulated) std.Random {
        return io.prng.random();
    }
};

pub fn negative(err: linux.E) i32 {
    return -@as(i32, @intCast(@intFromEnum(err)));
}
