//! Messages to many WebSockets: to all of a topic, or to one by its name, from outside of its handler.
//!
//! Output must not move while the kernel reads it, so a connection that is being sent to gets its message afterwards. Until
//! then the message waits, once for all connections, and each of them holds a reference to it; what a connection's send takes
//! is a copy, beside the answers and frames of its own.
//!
//! A connection that leaves more than `broadcasts_waiting_max` messages waiting is closed with 1013 and counted
//! (`Stats.slow_consumers`). Not skipped: a client can't see a hole in what it is told, but it can come again and ask for how
//! things stand.

const std = @import("std");
const assert = std.debug.assert;
const protocol = @import("protocol/websocket.zig");
const web_socket = @import("web_socket.zig");
const Buffer = @import("buffers.zig").Buffer;
const Core = @import("core.zig").Core;
const output_bytes_max = @import("core.zig").output_bytes_max;
const Slab = @import("slab.zig").Slab;
const StackSlot = @import("slot.zig").StackSlot;
const Topics = @import("topics.zig").Topics;
const none = @import("slab.zig").none;
const pages = @import("pages.zig");

pub const Error = error{
    /// Longer than the largest buffer.
    TooLong,
    /// No memory for one more message that waits: nobody got it.
    OutOfMemory,
};

/// A frame that connections wait for.
const Message = struct { next: u32, references: u32, frame: Buffer };

/// That one of them does.
const Waiting = struct { next: u32, message: u32 };

/// What a WebSocket's slot keeps of it.
pub const Listener = struct {
    /// It came, and has not left: whatever it subscribed to.
    is_joined: bool = false,
    subscriptions: u32 = none,
    waiting_first: u32 = none,
    waiting_last: u32 = none,
    waiting_len: u16 = 0,
    /// Too much waited.
    overrun: bool = false,
};

pub const Options = struct {
    slots: u32,
    topics: u32,
    subscriptions: u32,
    /// Messages that connections wait for, together.
    messages: u32,
    /// As one connection may leave waiting.
    waiting_max: u16,
};

pub const Broadcasts = struct {
    topics: Topics,
    messages: Slab(Message),
    waiting: Slab(Waiting),
    /// Connections that have something to be sent, each once.
    changed: []u32,
    changed_len: u32 = 0,
    is_changed: []bool,
    waiting_max: u16,
    /// WebSockets, each of which has the subscription of its route.
    listeners: u32 = 0,

    pub fn init(options: Options) error{OutOfMemory}!Broadcasts {
        assert(options.subscriptions >= options.slots);
        var topics: Topics = try .init(.{ .topics = options.topics, .subscriptions = options.subscriptions });
        errdefer topics.deinit();
        var messages: Slab(Message) = try .init(options.messages);
        errdefer messages.deinit();
        // As many as ever can be: what nobody uses is not backed by memory.
        var waiting: Slab(Waiting) = try .init(@intCast(@min(
            @as(u64, options.slots) * @min(options.waiting_max, options.messages),
            waiting_total_max,
        )));
        errdefer waiting.deinit();
        const changed = try pages.reserve(u32, options.slots);
        errdefer pages.release(u32, changed);
        return .{
            .topics = topics,
            .messages = messages,
            .waiting = waiting,
            .changed = changed,
            .is_changed = try pages.reserve(bool, options.slots),
            .waiting_max = options.waiting_max,
        };
    }

    pub fn deinit(self: *Broadcasts) void {
        self.topics.deinit();
        self.messages.deinit();
        self.waiting.deinit();
        pages.release(u32, self.changed);
        pages.release(bool, self.is_changed);
        self.* = undefined;
    }

    /// A connection that has something to be sent, or is to be closed, at the end of this turn.
    pub fn noteChanged(self: *Broadcasts, index: u32) void {
        if (self.is_changed[index]) return;
        self.is_changed[index] = true;
        self.changed[self.changed_len] = index;
        self.changed_len += 1;
    }

    /// A connection that may have something to be sent, or be gone meanwhile.
    pub fn takeChanged(self: *Broadcasts) ?u32 {
        if (self.changed_len == 0) return null;
        self.changed_len -= 1;
        const index = self.changed[self.changed_len];
        self.is_changed[index] = false;
        return index;
    }
};

/// 16 million: 128 MB if all of them ever wait at once.
const waiting_total_max = 1 << 24;

/// A connection became a WebSocket of this route.
pub fn join(core: *Core, slot: *StackSlot, route: []const u8) web_socket.SubscribeError!void {
    const broadcasts = &core.broadcasts;
    slot.line3.listener = .{};
    try broadcasts.topics.subscribe(&slot.line3.listener.subscriptions, core.slots.indexOf(slot), route, 0);
    slot.line3.listener.is_joined = true;
    broadcasts.listeners += 1;
}

pub fn subscribe(core: *Core, slot: *StackSlot, topic: []const u8) web_socket.SubscribeError!void {
    const broadcasts = &core.broadcasts;
    // One that is too slow is told so soon.
    if (!slot.line3.listener.is_joined) return;
    // Each connection that may come still finds one for its route.
    const reserved = core.slots.capacity() - broadcasts.listeners;
    try broadcasts.topics.subscribe(&slot.line3.listener.subscriptions, core.slots.indexOf(slot), topic, reserved);
}

pub fn unsubscribe(core: *Core, slot: *StackSlot, topic: []const u8) void {
    core.broadcasts.topics.unsubscribe(&slot.line3.listener.subscriptions, topic);
}

/// It hears of nothing any more.
pub fn leave(core: *Core, slot: *StackSlot) void {
    const listener = &slot.line3.listener;
    if (!listener.is_joined) return;
    listener.is_joined = false;
    core.broadcasts.topics.unsubscribeAll(&listener.subscriptions);
    core.broadcasts.listeners -= 1;
    slot.line1.flags.behind = false;
    while (listener.waiting_len > 0) release(core, takeFirst(core, listener));
}

/// To all who subscribed to the topic, or came by the route of that pattern. Says to how many.
pub fn toTopic(core: *Core, topic: []const u8, opcode: protocol.Opcode, payload: []const u8) Error!u32 {
    var index = core.broadcasts.topics.firstOf(topic);
    if (index == none) return 0;
    const message = try create(core, opcode, payload);
    defer release(core, message);
    var count: u32 = 0;
    while (index != none) {
        const subscription = core.broadcasts.topics.subscriptions.items[index];
        // Who is closed for being slow leaves the list.
        index = subscription.topic_next;
        give(core, &core.slots.slots[subscription.slot], message);
        count += 1;
    }
    return count;
}

/// To one that is a WebSocket still.
pub fn toOne(core: *Core, slot: *StackSlot, opcode: protocol.Opcode, payload: []const u8) Error!void {
    const message = try create(core, opcode, payload);
    defer release(core, message);
    give(core, slot, message);
}

/// A message with one reference: the caller's.
fn create(core: *Core, opcode: protocol.Opcode, payload: []const u8) Error!u32 {
    assert(opcode == .text or opcode == .binary);
    var header: [protocol.header_bytes_max]u8 = undefined;
    const header_len = (protocol.Header{ .opcode = opcode, .is_last = true, .payload_bytes = payload.len }).write(&header);
    if (header_len + payload.len > core.buffers.bytesMax()) return error.TooLong;
    const index = core.broadcasts.messages.acquire() orelse return error.OutOfMemory;
    errdefer core.broadcasts.messages.release(index);
    var frame = core.buffers.acquire(header_len + payload.len) orelse return error.OutOfMemory;
    assert(core.buffers.append(&frame, header[0..header_len]));
    assert(core.buffers.append(&frame, payload));
    core.broadcasts.messages.items[index] = .{ .next = none, .references = 1, .frame = frame };
    core.stats.broadcasts += 1;
    return index;
}

fn release(core: *Core, index: u32) void {
    const message = &core.broadcasts.messages.items[index];
    message.references -= 1;
    if (message.references > 0) return;
    core.buffers.release(&message.frame);
    core.broadcasts.messages.release(index);
}

fn give(core: *Core, slot: *StackSlot, message: u32) void {
    const broadcasts = &core.broadcasts;
    const listener = &slot.line3.listener;
    // One that is closed for want of memory, and not gone yet.
    if (slot.line1.state != .web_socket or listener.overrun) return;
    broadcasts.noteChanged(core.slots.indexOf(slot));
    if (!slot.line1.flags.sending and listener.waiting_len == 0 and take(core, slot, message)) return;
    const node = if (listener.waiting_len < broadcasts.waiting_max) broadcasts.waiting.acquire() else null;
    const index = node orelse return overrun(core, slot);
    broadcasts.waiting.items[index] = .{ .next = none, .message = message };
    broadcasts.messages.items[message].references += 1;
    if (listener.waiting_len == 0) listener.waiting_first = index else broadcasts.waiting.items[listener.waiting_last].next = index;
    listener.waiting_last = index;
    listener.waiting_len += 1;
    slot.line1.flags.behind = true;
}

/// Too slow: nothing more waits for it, and the next thing it is sent is why.
fn overrun(core: *Core, slot: *StackSlot) void {
    core.stats.slow_consumers += 1;
    leave(core, slot);
    slot.line3.listener.overrun = true;
}

/// Copies the message into the output, which is not being sent. False when that is full.
fn take(core: *Core, slot: *StackSlot, message: u32) bool {
    assert(!slot.line1.flags.sending);
    const frame = core.broadcasts.messages.items[message].frame.bytes();
    const output = &slot.line1.output;
    if (!output.isEmpty() and output.len + frame.len > output_bytes_max) return false;
    if (!core.buffers.append(output, frame)) core.giveUp(slot);
    return true;
}

fn takeFirst(core: *Core, listener: *Listener) u32 {
    const index = listener.waiting_first;
    const node = core.broadcasts.waiting.items[index];
    listener.waiting_first = node.next;
    listener.waiting_len -= 1;
    core.broadcasts.waiting.release(index);
    return node.message;
}

/// Nothing is being sent to a WebSocket: what waits goes into its output, before its handler sees more of its input. So the
/// answer to a message says nothing that a broadcast before it doesn't.
pub fn takeWaiting(core: *Core, slot: *StackSlot) void {
    const listener = &slot.line3.listener;
    if (listener.overrun) return web_socket.end(core, slot, .try_again_later, "too slow");
    while (listener.waiting_len > 0 and slot.line1.state == .web_socket) {
        if (!take(core, slot, core.broadcasts.waiting.items[listener.waiting_first].message)) return;
        release(core, takeFirst(core, listener));
    }
    slot.line1.flags.behind = false;
}

/// A broadcast on its way from another thread.
pub fn Call(comptime Server: type) type {
    return struct {
        server: *Server,
        opcode: protocol.Opcode,
        /// The topic, and the payload behind it.
        bytes: []u8,
        topic_len: usize,

        const Self = @This();

        pub fn create(server: *Server, topic: []const u8, opcode: protocol.Opcode, payload: []const u8) error{OutOfMemory}!*Self {
            const call = try server.allocator.create(Self);
            errdefer server.allocator.destroy(call);
            const bytes = try server.allocator.alloc(u8, topic.len + payload.len);
            @memcpy(bytes[0..topic.len], topic);
            @memcpy(bytes[topic.len..], payload);
            call.* = .{ .server = server, .opcode = opcode, .bytes = bytes, .topic_len = topic.len };
            return call;
        }

        pub fn destroy(call: *Self) void {
            const allocator = call.server.allocator;
            allocator.free(call.bytes);
            allocator.destroy(call);
        }

        pub fn run(context: *anyopaque, _: std.mem.Allocator) void {
            const call: *Self = @ptrCast(@alignCast(context));
            defer call.destroy();
            const topic = call.bytes[0..call.topic_len];
            _ = toTopic(&call.server.core, topic, call.opcode, call.bytes[call.topic_len..]) catch |err| {
                call.server.core.stats.broadcasts_failed += 1;
                std.log.scoped(.server).warn("broadcast to {s}: {t}", .{ topic, err });
            };
        }
    };
}
