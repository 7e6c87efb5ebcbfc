//! Sockets that we open: connecting, sending what is queued, receiving as long as the owner wants to, and an end that the
//! owner is told once. All of them, with their buffers, are there from the start.
//!
//! The kernel reads and writes a socket's buffers while operations are under way. So they belong to the table and not to
//! the owner, who may go at any time: a socket is free again when its last operation has ended.

const std = @import("std");
const assert = std.debug.assert;
const io_of = @import("../io.zig");
const pages = @import("../pages.zig");
const Event = io_of.Event;
const IORegistry = @import("registry.zig").IORegistry;
const SocketAddress = io_of.SocketAddress;
const timers_of = @import("timers.zig");
const Timer = timers_of.Timer;
const Timers = timers_of.Timers;

/// Why a socket has ended.
pub const Failure = error{
    ConnectionRefused,
    NetworkUnreachable,
    /// Its owner's deadline, or the network's own.
    TimedOut,
    ConnectionReset,
    /// The other side has closed it.
    EndOfStream,
    /// The loop ends: what has not come by then never will.
    Stopping,
    Unexpected,
};

pub const OpenError = io_of.OpenError || error{
    TooManySockets,
    /// The loop ends.
    Stopping,
};

pub const WriteError = error{
    /// Nothing of it is queued; `drained` tells when there is room again.
    WriteQueueFull,
};

pub const Options = struct {
    count: u32,
    /// What one receive takes at most: a TLS record or a handful of packets.
    receive_bytes: u32 = 16 * 1024,
    /// What waits to be sent. Beyond it `write` refuses, so that a peer that doesn't read costs no more than this.
    queue_bytes: u32 = 64 * 1024,
};

/// How long a graceful end may take in all: what is queued leaves, and the other side reads it and closes.
const finish_timeout_ms = 5_000;

pub fn SocketsType(comptime IO: type) type {
    return struct {
        slots: []Socket,
        memory: []u8,
        options: Options,
        free: []u32,
        free_len: u32,
        ring: *IO = undefined,
        registry: *IORegistry = undefined,
        timers: *Timers = undefined,
        stopping: bool = false,

        const Sockets = @This();

        pub fn init(allocator: std.mem.Allocator, options: Options) error{OutOfMemory}!Sockets {
            const slots = try allocator.alloc(Socket, options.count);
            errdefer allocator.free(slots);
            const free = try allocator.alloc(u32, options.count);
            errdefer allocator.free(free);
            const socket_bytes = @as(usize, options.receive_bytes) + options.queue_bytes;
            const memory = try pages.reserve(u8, socket_bytes * options.count);
            for (slots, free, 0..) |*slot, *entry, i| {
                const bytes = memory[i * socket_bytes ..][0..socket_bytes];
                slot.* = .{
                    .table = undefined,
                    .number = @intCast(i),
                    .receive_buffer = bytes[0..options.receive_bytes],
                    .queue = bytes[options.receive_bytes..],
                };
                entry.* = @intCast(options.count - 1 - i);
            }
            return .{ .slots = slots, .memory = memory, .options = options, .free = free, .free_len = options.count };
        }

        /// No operation is under way any more, or the ring is gone.
        pub fn deinit(sockets: *Sockets, allocator: std.mem.Allocator) void {
            pages.release(u8, sockets.memory);
            allocator.free(sockets.slots);
            allocator.free(sockets.free);
            sockets.* = undefined;
        }

        /// Opens a socket, and tells the owner when it is connected or has failed to. What the owner writes meanwhile is
        /// sent then. Whoever sets no later deadline is told `TimedOut` at this one, once connected or not.
        pub fn open(
            sockets: *Sockets,
            kind: io_of.Kind,
            address: SocketAddress,
            owner: Socket.Owner,
            deadline_ms: u64,
        ) OpenError!*Socket {
            if (sockets.stopping) return error.Stopping;
            if (sockets.free_len == 0) return error.TooManySockets;
            const socket = &sockets.slots[sockets.free[sockets.free_len - 1]];
            assert(socket.state == .free);
            const descriptor = sockets.ring.outgoing(socket.number);
            // One entry a socket: the registry has as many for them.
            const id = sockets.registry.register(socket, Socket.onEvent) catch return error.TooManySockets;
            errdefer sockets.registry.unregister(id);
            try sockets.ring.openSocket(descriptor, kind, address.any.family);
            sockets.free_len -= 1;
            socket.* = .{
                .table = sockets,
                .number = socket.number,
                .receive_buffer = socket.receive_buffer,
                .queue = socket.queue,
                .id = id,
                .kind = kind,
                .state = .connecting,
                .owner = owner,
                .address = address,
            };
            socket.setDeadline(deadline_ms);
            socket.under_way.connect = true;
            sockets.ring.connect(descriptor, &socket.address, sockets.registry.userData(id, .socket_connect));
            return socket;
        }

        /// Ends all at once, and tells their owners; those that were to end in order still do. None is opened any more.
        pub fn closeAll(sockets: *Sockets) void {
            sockets.stopping = true;
            for (sockets.slots) |*socket| {
                if (socket.state == .connecting or socket.state == .open) socket.fail(error.Stopping);
            }
        }

        pub fn used(sockets: *const Sockets) u32 {
            return @as(u32, @intCast(sockets.slots.len)) - sockets.free_len;
        }

        pub const Socket = struct {
            table: *Sockets,
            number: u32,
            receive_buffer: []u8,
            /// A ring of bytes to be sent: those that are under way stay where they are.
            queue: []u8,
            queue_start: u32 = 0,
            queue_len: u32 = 0,
            id: IORegistry.Id = undefined,
            kind: io_of.Kind = .stream,
            state: State = .free,
            owner: ?Owner = null,
            under_way: UnderWay = .{},
            /// What the next receive may take: nothing while the owner isn't done with what it has.
            limit: usize = std.math.maxInt(usize),
            /// Somebody waits for room in the queue.
            wants_drained: bool = false,
            /// Inside of a callback that says what was received: the buffer is being read.
            delivering: bool = false,
            timer: Timer = .{ .on = onTimer },
            address: SocketAddress = undefined,

            pub const State = enum { free, connecting, open, finishing, closing };

            const UnderWay = packed struct(u8) {
                connect: bool = false,
                receive: bool = false,
                send: bool = false,
                shutdown: bool = false,
                close: bool = false,
                _: u3 = 0,
            };

            pub const Owner = struct {
                ptr: *anyopaque,
                /// After `ended` the socket is not the owner's any more.
                on: *const fn (ptr: *anyopaque, socket: *Socket, what: What) void,
            };

            pub const What = union(enum) {
                connected,
                /// Valid as long as the callback runs.
                data: []u8,
                /// There is room for writing again, after `WriteQueueFull` or `askForDrained`.
                drained,
                ended: Failure,
            };

            /// Queues all of the bytes, or none.
            pub fn write(socket: *Socket, bytes: []const u8) WriteError!void {
                assert(socket.state == .connecting or socket.state == .open);
                if (bytes.len > socket.room()) {
                    socket.wants_drained = true;
                    return error.WriteQueueFull;
                }
                // Two datagrams would become one.
                assert(socket.kind == .stream or socket.queue_len == 0);
                const end = (socket.queue_start + socket.queue_len) % socket.queue.len;
                const first = @min(bytes.len, socket.queue.len - end);
                @memcpy(socket.queue[end..][0..first], bytes[0..first]);
                @memcpy(socket.queue[0 .. bytes.len - first], bytes[first..]);
                socket.queue_len += @intCast(bytes.len);
                socket.send();
            }

            /// What `write` would take.
            pub fn room(socket: *const Socket) usize {
                return socket.queue.len - socket.queue_len;
            }

            pub fn askForDrained(socket: *Socket) void {
                socket.wants_drained = true;
            }

            /// No `data` is longer from the next receive on; one that is under way keeps its length. With 0 nothing is received.
            pub fn limitReading(socket: *Socket, bytes_max: usize) void {
                socket.limit = bytes_max;
                socket.receive();
            }

            /// The owner is told `TimedOut` then; `timers.never` takes it back.
            pub fn setDeadline(socket: *Socket, deadline_ms: u64) void {
                socket.table.timers.set(&socket.timer, deadline_ms);
            }

            pub fn deadline(socket: *const Socket) u64 {
                return socket.timer.at_ms;
            }

            fn onTimer(timer: *Timer) void {
                const socket: *Socket = @fieldParentPtr("timer", timer);
                socket.fail(error.TimedOut);
            }

            pub fn changeOwner(socket: *Socket, owner: Owner) void {
                assert(socket.owner != null);
                socket.owner = owner;
            }

            /// What is queued leaves, the other side is told that no more comes, and what it still says is thrown away. The
            /// owner hears nothing more.
            pub fn finish(socket: *Socket) void {
                socket.owner = null;
                if (socket.state != .open) return socket.close();
                socket.state = .finishing;
                socket.setDeadline(socket.table.ring.monotonic_ms() + finish_timeout_ms);
                // Even if the owner had paused: the other side may wait for us to read before it reads what is queued.
                socket.limit = std.math.maxInt(usize);
                socket.receive();
                socket.finishStep();
            }

            /// At once: what is queued is lost. The owner hears nothing more.
            pub fn close(socket: *Socket) void {
                assert(socket.state != .free);
                socket.owner = null;
                if (socket.state == .closing) return;
                socket.state = .closing;
                socket.table.timers.cancel(&socket.timer);
                socket.closeStep();
            }

            fn closeStep(socket: *Socket) void {
                // A shutdown runs on a thread of the kernel's, and would meet whoever has the descriptor next.
                if (socket.under_way.shutdown or socket.under_way.close) return;
                socket.under_way.close = true;
                socket.table.ring.close(socket.descriptor(), socket.userData(.socket_close));
            }

            fn fail(socket: *Socket, failure: Failure) void {
                const owner = socket.owner;
                socket.close();
                if (owner) |who| who.on(who.ptr, socket, .{ .ended = failure });
            }

            fn tell(socket: *Socket, what: What) void {
                if (socket.owner) |owner| owner.on(owner.ptr, socket, what);
            }

            fn onEvent(ptr: *anyopaque, event: *const Event) void {
                const socket: *Socket = @ptrCast(@alignCast(ptr));
                switch (event.user_data.operation) {
                    .socket_connect => socket.under_way.connect = false,
                    .socket_receive => socket.under_way.receive = false,
                    .socket_send => socket.under_way.send = false,
                    .socket_shutdown => socket.under_way.shutdown = false,
                    .socket_close => {
                        assert(event.result == 0);
                        socket.under_way.close = false;
                    },
                    else => unreachable,
                }
                if (socket.state == .closing) {
                    // The close was held up by a shutdown.
                    if (event.user_data.operation == .socket_shutdown) socket.closeStep();
                    if (@as(u8, @bitCast(socket.under_way)) == 0) socket.release();
                    return;
                }
                switch (event.user_data.operation) {
                    .socket_connect => socket.onConnect(event),
                    .socket_receive => socket.onReceive(event),
                    .socket_send => socket.onSend(event),
                    // It fails where the connection is gone: a receive tells.
                    .socket_shutdown => socket.receive(),
                    else => unreachable,
                }
            }

            fn release(socket: *Socket) void {
                const table = socket.table;
                table.registry.unregister(socket.id);
                socket.state = .free;
                table.free[table.free_len] = socket.number;
                table.free_len += 1;
            }

            fn onConnect(socket: *Socket, event: *const Event) void {
                if (event.failure()) |err| return socket.fail(failureOf(err));
                socket.state = .open;
                socket.tell(.connected);
                if (socket.state != .open) return;
                socket.send();
                socket.receive();
            }

            fn onReceive(socket: *Socket, event: *const Event) void {
                if (event.failure()) |err| switch (err) {
                    .INTR, .AGAIN => return socket.receive(),
                    else => return socket.fail(failureOf(err)),
                };
                const len: usize = @intCast(event.result);
                if (len == 0 and socket.kind == .stream) return socket.fail(error.EndOfStream);
                if (socket.state == .open) {
                    socket.delivering = true;
                    socket.tell(.{ .data = socket.receive_buffer[0..len] });
                    socket.delivering = false;
                }
                socket.receive();
            }

            fn onSend(socket: *Socket, event: *const Event) void {
                if (event.failure()) |err| switch (err) {
                    .INTR, .AGAIN => return socket.send(),
                    else => return socket.fail(failureOf(err)),
                };
                const sent: u32 = @intCast(event.result);
                assert(sent <= socket.queue_len);
                socket.queue_len -= sent;
                // From the front as long as possible: fewer sends in two pieces.
                socket.queue_start = if (socket.queue_len == 0) 0 else @intCast((socket.queue_start + sent) % socket.queue.len);
                if (socket.wants_drained and socket.queue_len <= socket.queue.len / 2) {
                    socket.wants_drained = false;
                    socket.tell(.drained);
                }
                if (socket.state == .finishing) return socket.finishStep();
                if (socket.state == .open) socket.send();
            }

            fn finishStep(socket: *Socket) void {
                assert(socket.state == .finishing);
                if (socket.kind == .datagram) return socket.close();
                if (socket.queue_len > 0) return socket.send();
                if (socket.under_way.shutdown) return;
                socket.under_way.shutdown = true;
                socket.table.ring.shutdown(socket.descriptor(), socket.userData(.socket_shutdown));
                socket.receive();
            }

            fn receive(socket: *Socket) void {
                const wanted = (socket.state == .finishing or socket.state == .open) and socket.limit > 0;
                if (!wanted or socket.under_way.receive or socket.delivering) return;
                socket.under_way.receive = true;
                const into = socket.receive_buffer[0..@min(socket.receive_buffer.len, socket.limit)];
                socket.table.ring.receiveInto(socket.descriptor(), into, socket.userData(.socket_receive));
            }

            fn send(socket: *Socket) void {
                const can = socket.state == .open or socket.state == .finishing;
                if (!can or socket.under_way.send or socket.queue_len == 0) return;
                socket.under_way.send = true;
                const len = @min(socket.queue_len, socket.queue.len - socket.queue_start);
                socket.table.ring.send(socket.descriptor(), socket.queue[socket.queue_start..][0..len], socket.userData(.socket_send));
            }

            fn descriptor(socket: *const Socket) io_of.Descriptor {
                return socket.table.ring.outgoing(socket.number);
            }

            fn userData(socket: *const Socket, operation: io_of.Operation) io_of.UserData {
                return socket.table.registry.userData(socket.id, operation);
            }
        };
    };
}

fn failureOf(err: std.os.linux.E) Failure {
    return switch (err) {
        .CONNREFUSED => error.ConnectionRefused,
        .NETUNREACH, .HOSTUNREACH, .ADDRNOTAVAIL, .NETDOWN, .ACCES, .PERM => error.NetworkUnreachable,
        .TIMEDOUT => error.TimedOut,
        .CONNRESET, .PIPE, .CONNABORTED, .NOTCONN => error.ConnectionReset,
        else => error.Unexpected,
    };
}
