//! Sockets that the server opens itself, in the simulated kernel: what they connect to is a `Connection` as any other, whose
//! far end is somebody's whom the run's owner plays.

const std = @import("std");
const assert = std.debug.assert;
const linux = std.os.linux;
const interface = @import("../../io.zig");
const simulated = @import("../simulated.zig");
const Connection = @import("network.zig").Connection;
const Stream = @import("network.zig").Stream;
const socket_of = @import("socket.zig");
const Armed = socket_of.Armed;
const Descriptor = interface.Descriptor;
const Event = interface.Event;
const Sending = socket_of.Sending;
const Simulated = simulated.Simulated;
const Socket = socket_of.Socket;
const UserData = interface.UserData;

/// A connection that was made to somebody. Who takes it plays them.
pub const Arrival = struct { connection: *Connection, kind: interface.Kind, port: u16 };

pub fn outgoing(io: *const Simulated, number: u32) Descriptor {
    return io.outgoing_first + number;
}

/// The oldest connection that nobody took yet.
pub fn takeArrival(io: *Simulated) ?Arrival {
    if (io.arrivals.items.len == 0) return null;
    return io.arrivals.orderedRemove(0);
}

pub fn openSocket(io: *Simulated, descriptor: Descriptor, kind: interface.Kind, _: linux.sa_family_t) interface.OpenError!void {
    assert(descriptor >= io.outgoing_first);
    const socket = &io.sockets[descriptor];
    assert(socket.connection == null);
    if (io.chance(io.rates.open_failed)) {
        io.count(.open_failed);
        return error.SystemResources;
    }
    const index = for (io.connections, 0..) |*connection, i| {
        if (connection.isFree()) break i;
    } else return error.SystemResources;
    io.connections[index].reset(false);
    // Nobody's until it is made.
    io.connections[index].client_released = true;
    io.opened(descriptor, .{ .connection = @intCast(index), .kind = kind });
}

pub fn connect(io: *Simulated, descriptor: Descriptor, address: *const interface.SocketAddress, user_data: UserData) void {
    const socket = io.open(descriptor);
    assert(socket.connecting == null);
    socket.port = address.port();
    socket.connecting = io.armed(user_data);
    if (socket.kind == .stream and io.chance(io.rates.connect_stuck)) {
        io.count(.connect_stuck);
        socket.connecting.?.ready_ns = std.math.maxInt(u64);
    }
}

pub fn receiveInto(io: *Simulated, descriptor: Descriptor, room: []u8, user_data: UserData) void {
    assert(room.len > 0);
    const socket = io.open(descriptor);
    assert(socket.receiving == null);
    socket.receiving = io.armed(user_data);
    socket.room = room;
}

pub fn randomBytes(io: *Simulated, into: []u8) void {
    io.random().bytes(into);
}

/// What the kernel tells, once its time has come.
pub fn connectReady(io: *Simulated, socket: *Socket) Event {
    const connecting = socket.connecting.?;
    socket.connecting = null;
    var event: Event = .{ .user_data = connecting.user_data, .result = 0, .buffer = null, .more = false };
    if (socket.kind == .stream and io.chance(io.rates.connect_failed)) {
        io.count(.connect_failed);
        const errors = [_]linux.E{ .CONNREFUSED, .NETUNREACH, .TIMEDOUT };
        event.result = simulated.negative(errors[io.random().uintLessThan(usize, errors.len)]);
        return event;
    }
    const connection = &io.connections[socket.connection.?];
    connection.client_released = false;
    io.arrivals.append(io.allocator, .{ .connection = connection, .kind = socket.kind, .port = socket.port }) catch
        @panic("out of memory");
    return event;
}

/// Null while there is nothing.
pub fn receiveReady(io: *Simulated, socket: *Socket) ?Event {
    const receiving = socket.receiving.?;
    const connection = &io.connections[socket.connection.?];
    var event: Event = .{ .user_data = receiving.user_data, .result = 0, .buffer = null, .more = false };
    if (connection.client_reset) {
        event.result = simulated.negative(.CONNRESET);
    } else if (connection.to_server.len > 0) {
        event.result = @intCast(take(io, socket, connection));
    } else if (!connection.client_finished) return null;
    socket.receiving = null;
    socket.room = null;
    return event;
}

/// What a receive that was cancelled may have taken before.
pub fn takeLate(io: *Simulated, socket: *Socket) i32 {
    const connection = &io.connections[socket.connection.?];
    if (connection.to_server.len == 0 or connection.client_reset) return simulated.negative(.CANCELED);
    io.count(.data_after_cancel);
    return @intCast(take(io, socket, connection));
}

fn take(io: *Simulated, socket: *Socket, connection: *Connection) usize {
    var room = socket.room.?;
    if (socket.kind == .datagram) return readDatagram(&connection.to_server, room).?.len;
    if (io.chance(io.rates.partial_receive)) {
        io.count(.partial_receive);
        room = room[0..io.random().intRangeAtMost(usize, 1, @min(room.len, 32))];
    }
    return connection.to_server.read(room);
}

/// Whole or not at all, and without a word to the sender.
pub fn sendDatagram(io: *Simulated, socket: *Socket, sending: *const Sending) Event {
    const connection = &io.connections[socket.connection.?];
    const bytes = sending.pieces[0].base[0..sending.pieces[0].len];
    if (io.chance(io.rates.datagram_lost) or !writeDatagram(&connection.to_client, bytes)) io.count(.datagram_lost);
    return .{ .user_data = sending.user_data, .result = @intCast(bytes.len), .buffer = null, .more = false };
}

/// Datagrams lie in a stream behind their lengths. False when there is no room.
pub fn writeDatagram(stream: *Stream, bytes: []const u8) bool {
    if (stream.free() < 2 + bytes.len) return false;
    assert(stream.write(&std.mem.toBytes(@as(u16, @intCast(bytes.len)))) == 2);
    assert(stream.write(bytes) == bytes.len);
    return true;
}

/// What doesn't fit into the room is lost. Null when there is none.
pub fn readDatagram(stream: *Stream, room: []u8) ?[]u8 {
    var len_bytes: [2]u8 = undefined;
    if (stream.read(&len_bytes) == 0) return null;
    const len = std.mem.bytesToValue(u16, &len_bytes);
    const kept = room[0..@min(len, room.len)];
    assert(stream.read(kept) == kept.len);
    var rest = len - kept.len;
    var lost: [64]u8 = undefined;
    while (rest > 0) rest -= stream.read(lost[0..@min(rest, lost.len)]);
    return kept;
}

test "datagrams keep their bounds, and lose what has no room" {
    var window: @import("network.zig").Window = undefined;
    var stream: Stream = .{ .bytes = &window };
    try std.testing.expect(writeDatagram(&stream, "one"));
    try std.testing.expect(writeDatagram(&stream, "twelve"));
    var room: [4]u8 = undefined;
    try std.testing.expectEqualStrings("one", readDatagram(&stream, &room).?);
    try std.testing.expectEqualStrings("twel", readDatagram(&stream, &room).?);
    try std.testing.expectEqual(null, readDatagram(&stream, &room));
}
