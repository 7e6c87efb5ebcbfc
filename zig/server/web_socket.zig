//! Connections that became WebSockets: frames in, messages to a handler, frames out. The rules are `protocol/websocket.zig`'s;
//! here is what becomes of a connection by them.

const std = @import("std");
const assert = std.debug.assert;
const http = @import("protocol/http.zig");
const protocol = @import("protocol/websocket.zig");
const answer = @import("answer.zig");
const broadcast = @import("broadcast.zig");
const Context = @import("context.zig").Context;
const Core = @import("core.zig").Core;
const slots = @import("slot.zig");
const StackSlot = slots.StackSlot;

/// What a message is: the frames that aren't messages are the server's business.
pub const Opcode = enum {
    text,
    binary,

    pub fn ofFrame(opcode: Opcode) protocol.Opcode {
        return switch (opcode) {
            .text => .text,
            .binary => .binary,
        };
    }
};

pub const CloseCode = protocol.CloseCode;

/// A whole message. The payload is a copy that belongs to the handler, made with its allocator.
pub const Message = struct { opcode: Opcode, payload: []u8 };

pub const Handler = *const fn (allocator: std.mem.Allocator, socket: *WebSocket, message: Message) anyerror!void;

/// `pattern` is also the topic of all its connections.
pub const Route = struct { handler: Handler, pattern: []const u8 };

pub const SubscribeError = @import("topics.zig").SubscribeError;

/// The part of a connection that its slot keeps.
pub const Work = struct {
    receiver: protocol.Receiver = .{},
    handler: Handler,
    /// A Ping was sent because the client rested; whatever comes answers it.
    pinged: bool = false,
};

/// A frame that isn't whole yet is a header, or a control frame.
const partial_bytes_max = protocol.header_bytes_max + protocol.control_bytes_max;

/// What a handler answers with. Lives as long as the handler runs.
pub const WebSocket = struct {
    core: *Core,
    slot: *StackSlot,
    server: ?*anyopaque,
    app_ctx: ?*anyopaque,
    conn_id: u64,

    pub fn text(socket: *WebSocket, payload: []const u8) error{TooLong}!void {
        return socket.send(.text, payload);
    }

    pub fn binary(socket: *WebSocket, payload: []const u8) error{TooLong}!void {
        return socket.send(.binary, payload);
    }

    /// Copies the message behind those that wait already; all of them together fit into the largest buffer.
    pub fn send(socket: *WebSocket, opcode: Opcode, payload: []const u8) error{TooLong}!void {
        if (socket.slot.line1.state != .web_socket) return;
        var header: [protocol.header_bytes_max]u8 = undefined;
        const header_len = (protocol.Header{ .opcode = opcode.ofFrame(), .is_last = true, .payload_bytes = payload.len }).write(&header);
        const output = &socket.slot.line1.output;
        const frame_bytes = header_len + payload.len;
        if (output.len + frame_bytes > socket.core.buffers.bytesMax()) return error.TooLong;
        const least = answer.firstBytes(socket.core, output);
        if (!socket.core.buffers.reserve(output, @max(frame_bytes, least))) return socket.core.giveUp(socket.slot);
        const room = output.unused();
        @memcpy(room[0..header_len], header[0..header_len]);
        @memcpy(room[header_len..frame_bytes], payload);
        output.len += @intCast(frame_bytes);
    }

    /// Hears what is broadcast to the topic from here on, as long as the connection lasts.
    pub fn subscribe(socket: *WebSocket, topic: []const u8) SubscribeError!void {
        if (socket.slot.line1.state == .web_socket) try broadcast.subscribe(socket.core, socket.slot, topic);
    }

    pub fn unsubscribe(socket: *WebSocket, topic: []const u8) void {
        if (socket.slot.line1.state == .web_socket) broadcast.unsubscribe(socket.core, socket.slot, topic);
    }

    /// Says why, and ends the connection. A code that no frame may have, or a reason that is no UTF-8, is a mistake of the handler's,
    /// which is logged and counted; the client is told 1011 in its place.
    pub fn close(socket: *WebSocket, code: CloseCode, reason: []const u8) void {
        if (socket.slot.line1.state != .web_socket) return;
        if (code.isSendable() and std.unicode.utf8ValidateSlice(reason)) return end(socket.core, socket.slot, code, reason);
        socket.core.stats.handler_errors += 1;
        std.log.scoped(.server).warn("WebSocket: {d} or its reason can't be sent", .{@intFromEnum(code)});
        end(socket.core, socket.slot, .internal_error, "");
    }
};

/// Answers the handshake: the connection is a WebSocket from here on, or was none and is refused.
pub fn upgrade(ctx: *Context, route: Route) void {
    const core = ctx.core;
    const slot = ctx.slot;
    ctx.responded = true;
    const output = &slot.line1.output;
    const fields = &core.answer_fields;
    if (!core.buffers.reserve(output, answer_bytes_max + fields.writtenBytes())) return core.giveUp(slot);
    var writer: http.response.Writer = .{ .buffer = output.unused() };
    const checked = protocol.handshake.check(ctx.request);
    if (checked) |*handshake| {
        protocol.handshake.beginAnswer(&writer, handshake, null);
    } else |err| protocol.handshake.beginRefusal(&writer, err);
    fields.write(&writer);
    const ended = if (checked) |_| writer.end(.nothing, .upgrade) else |_| writer.end(.{ .length = 0 }, .close);
    const head = ended catch return ctx.fail(error.InvalidAnswer);
    output.len += @intCast(head.len);
    if (checked) |_| {
        slot.line5.ws = .{ .web_socket = .{ .handler = route.handler } };
        slot.line1.state = .web_socket;
        broadcast.join(core, slot, route.pattern);
        slot.line2.read_deadline_ms = core.now_ms + core.config.idle_timeout_ms;
    } else |_| {
        core.stats.refused += 1;
        slot.line1.flags.keep_alive = false;
    }
}

/// The longest answer to a handshake, without fields of the application's.
const answer_bytes_max = 512;

/// Goes on with what arrived, and says how much of it is done with.
pub fn consume(core: *Core, slot: *StackSlot, bytes: []u8) usize {
    const work = &slot.line5.ws.web_socket;
    work.pinged = false;
    const was_within = isWithin(slot);
    defer setDeadline(core, slot, was_within);
    const input = &slot.line2.input;
    const before = input.len;
    var message = bytes;
    if (before > 0) {
        // The rest of a header or control frame, which is looked at in one piece.
        const wanted = @min(bytes.len, partial_bytes_max - before);
        assert(wanted > 0);
        if (!core.buffers.append(input, bytes[0..wanted])) return giveUp(core, slot, bytes.len);
        message = input.bytes();
    }
    const options: protocol.Options = .{ .message_bytes_max = core.config.body_bytes_max };
    const step = work.receiver.next(message, &options) catch |err| {
        end(core, slot, protocol.closeCodeOf(err), @errorName(err));
        return bytes.len;
    };
    if (step.consumed == 0 and step.event == .none) {
        if (before == 0 and !core.buffers.append(input, bytes)) return giveUp(core, slot, bytes.len);
        return message.len - before;
    }
    assert(step.consumed > before);
    core.more_follows = step.consumed < message.len;
    on(core, slot, step.event);
    core.more_follows = false;
    core.buffers.release(input);
    return step.consumed - before;
}

/// Some of a message or a frame has come, and not all of it.
fn isWithin(slot: *const StackSlot) bool {
    const work = &slot.line5.ws.web_socket;
    return work.receiver.state.in_message or !slot.line2.input.isEmpty();
}

/// A message has its time from the first byte on, as a body has: one that drips must not keep its buffer for ever.
fn setDeadline(core: *const Core, slot: *StackSlot, was_within: bool) void {
    if (slot.line1.state != .web_socket) return;
    if (!isWithin(slot)) {
        slot.line2.read_deadline_ms = core.now_ms + core.config.idle_timeout_ms;
    } else if (!was_within) slot.line2.read_deadline_ms = core.now_ms + core.config.body_timeout_ms;
}

fn on(core: *Core, slot: *StackSlot, event: protocol.Event) void {
    switch (event) {
        .none, .pong => {},
        .data => |data| {
            const body = &slot.line4.body;
            // Most messages come whole.
            if (data.ends and body.isEmpty()) return deliver(core, slot, data.opcode, data.bytes);
            if (!core.buffers.append(body, data.bytes)) return core.giveUp(slot);
            if (data.ends) deliver(core, slot, data.opcode, body.bytes());
        },
        .ping => |payload| control(core, slot, .pong, payload),
        .close => |close| end(core, slot, close.code, ""),
    }
}

fn deliver(core: *Core, slot: *StackSlot, frame_opcode: protocol.Opcode, message: []const u8) void {
    core.stats.messages += 1;
    slot.line1.req_count +%= 1;
    slot.line2.conn_id = slots.ConnId.of(core.slots.indexOf(slot), slot);
    const payload = core.allocator.dupe(u8, message) catch return core.giveUp(slot);
    core.buffers.release(&slot.line4.body);
    var socket: WebSocket = .{
        .core = core,
        .slot = slot,
        .server = core.server,
        .app_ctx = core.app_ctx,
        .conn_id = slot.line2.conn_id,
    };
    const opcode: Opcode = if (frame_opcode == .text) .text else .binary;
    core.speaking = slot;
    defer core.speaking = null;
    slot.line5.ws.web_socket.handler(core.allocator, &socket, .{ .opcode = opcode, .payload = payload }) catch |err| {
        core.stats.handler_errors += 1;
        std.log.scoped(.server).warn("WebSocket: {t}", .{err});
        socket.close(.internal_error, "");
    };
}

/// Our Close, and nothing afterwards. What the client still sends is thrown away until it closes, too.
pub fn end(core: *Core, slot: *StackSlot, code: ?CloseCode, reason: []const u8) void {
    var buffer: [protocol.control_frame_bytes_max]u8 = undefined;
    const frame = protocol.writeClose(&buffer, code, reason);
    slot.line1.state = .ending;
    slot.line1.flags.keep_alive = false;
    broadcast.leave(core, slot);
    core.buffers.release(&slot.line4.body);
    if (!core.buffers.append(&slot.line1.output, frame)) core.giveUp(slot);
}

/// The client took too long for a message, which ends it, or rested: it is asked whether it is there, and once.
pub fn overdue(core: *Core, slot: *StackSlot) enum { asked, ended, gone } {
    const work = &slot.line5.ws.web_socket;
    if (isWithin(slot)) {
        end(core, slot, .policy_violation, "the message takes too long");
        return .ended;
    }
    if (work.pinged) return .gone;
    work.pinged = true;
    slot.line2.read_deadline_ms = core.now_ms + core.config.idle_timeout_ms;
    control(core, slot, .ping, "");
    return .asked;
}

fn control(core: *Core, slot: *StackSlot, opcode: protocol.Opcode, payload: []const u8) void {
    var buffer: [protocol.control_frame_bytes_max]u8 = undefined;
    if (!core.buffers.append(&slot.line1.output, protocol.writeControl(&buffer, opcode, payload))) core.giveUp(slot);
}

fn giveUp(core: *Core, slot: *StackSlot, consumed: usize) usize {
    core.giveUp(slot);
    return consumed;
}
