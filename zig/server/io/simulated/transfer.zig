//! Bytes between a connection and a socket of the simulated kernel, in whatever pieces.

const std = @import("std");
const interface = @import("../../io.zig");
const outgoing_of = @import("outgoing.zig");
const simulated = @import("../simulated.zig");
const socket_of = @import("socket.zig");
const Armed = socket_of.Armed;
const BufferId = interface.BufferId;
const Connection = simulated.Connection;
const Event = interface.Event;
const Sending = socket_of.Sending;
const Simulated = simulated.Simulated;
const Socket = socket_of.Socket;
const UserData = interface.UserData;

pub fn receiveReady(io: *Simulated, socket: *Socket, receiving: Armed, out: *Simulated.Sink) void {
    if (socket.room != null) return if (outgoing_of.receiveReady(io, socket)) |event| out.add(event);
    const connection = &io.connections[socket.connection.?];
    var event: Event = .{ .user_data = receiving.user_data, .result = 0, .buffer = null, .more = false };
    if (connection.client_reset) {
        event.result = simulated.negative(.CONNRESET);
    } else if (socket.cancelled and (connection.to_server.len == 0 or !io.chance(io.rates.data_after_cancel))) {
        event.result = simulated.negative(.CANCELED);
    } else if (connection.to_server.len > 0) {
        if (socket.cancelled) io.count(.data_after_cancel);
        if (io.buffers_free == 0 or io.chance(io.rates.buffers_exhausted)) {
            io.count(.buffers_exhausted);
            event.result = simulated.negative(.NOBUFS);
        } else {
            event = take(io, connection, receiving.user_data);
            event.more = !io.chance(io.rates.multishot_ended);
            if (!event.more) io.count(.multishot_ended);
        }
    } else if (!connection.client_finished) return;
    socket.receiving = if (event.more) io.armed(receiving.user_data) else null;
    if (!event.more) socket.cancelled = false;
    out.add(event);
}

/// Data that the kernel had taken before the cancel reached it.
pub fn receiveLate(io: *Simulated, socket: *Socket, receiving: Armed) void {
    const connection = &io.connections[socket.connection.?];
    if (connection.to_server.len == 0 or io.buffers_free == 0 or connection.client_reset) return;
    var event = take(io, connection, receiving.user_data);
    event.more = true;
    io.count(.data_after_cancel);
    io.late.append(io.allocator, .{ .event = event, .ready_ns = io.now_ns }) catch @panic("out of memory");
}

fn take(io: *Simulated, connection: *Connection, user_data: UserData) Event {
    const id: BufferId = @intCast(io.buffers.findFirstSet().?);
    io.buffers.unset(id);
    io.buffers_free -= 1;
    var room: []u8 = io.buffer(id);
    if (io.chance(io.rates.partial_receive)) {
        io.count(.partial_receive);
        room = room[0..io.random().intRangeAtMost(usize, 1, @min(room.len, 32))];
    }
    const len = connection.to_server.read(room);
    return .{ .user_data = user_data, .result = @intCast(len), .buffer = id, .more = true };
}

pub fn sendReady(io: *Simulated, socket: *Socket, sending: *Sending, out: *Simulated.Sink) void {
    const connection = &io.connections[socket.connection.?];
    sending.check();
    if (socket.kind == .datagram) {
        out.add(outgoing_of.sendDatagram(io, socket, sending));
        socket.sending = null;
        return;
    }
    var event: Event = .{ .user_data = sending.user_data, .result = 0, .buffer = null, .more = false };
    if (connection.client_reset) {
        event.result = simulated.negative(if (io.random().boolean()) .PIPE else .CONNRESET);
    } else {
        if (!sending.hasRoom(connection)) {
            // Asked again once the client has read enough.
            io.count(.send_stuck);
            sending.is_stuck = true;
            sending.ready_ns = io.delayed();
            return;
        }
        var budget: usize = std.math.maxInt(usize);
        if (io.chance(io.rates.partial_send)) budget = io.random().intRangeAtMost(usize, 1, 64);
        var sent: usize = 0;
        var total: usize = 0;
        for (sending.pieces[0..sending.pieces_len]) |piece| {
            total += piece.len;
            sent += connection.to_client.write(piece.base[0..@min(piece.len, budget - sent)]);
        }
        if (sent < total) io.count(.partial_send);
        event.result = @intCast(sent);
    }
    socket.sending = null;
    out.add(event);
}
