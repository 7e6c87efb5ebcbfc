//! Messages to many WebSockets: to all of a topic, or to one by its name, from outside of its handler.
//!
//! A message lies once in memory for all connections. One that is small, and can leave at once, is copied behind the answers
//! and frames of a connection, as far as there are buffers to spare; every other one waits, and the connection holds a
//! reference to it. A large one, or one that there is no buffer for, is then sent from where it lies. So nobody is closed for
//! want of memory, however many listen.
//!
//! A connection that leaves more than `broadcasts_waiting_max` messages waiting although the kernel was asked to take some,
//! and took none, is closed with 1013 and counted (`Stats.slow_consumers`). Not skipped: a client can't see a hole in what it is
//! told, but it can come again and ask for how things stand. However many wait within one turn of the loop, nobody is slow
//! before the kernel had its chance. Where memory for messages runs out, those who are the furthest behind go first, by the
//! same rule. Broadcasts of other threads wait meanwhile.

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
const Message = struct { next: u32, references: u32, number: u64, frame: Buffer };

/// That one of them does.
const Waiting = struct { next: u32, message: u32 };

/// What a WebSocket's slot keeps of it.
pub const Listener = struct {
    subscriptions: u32 = none,
    waiting_first: u32 = none,
    waiting_last: u32 = none,
    waiting_len: u16 = 0,
    /// Too much waited.
    overrun: bool = false,
    /// It came, and has not left: counted, with or without topics.
    joined: bool = false,
};

pub const Options = struct {
    slots: u32,
    topics: u32,
    subscriptions: u32,
    /// Messages that connections wait for, together.
    messages: u32,
    /// As one connection may leave waiting, if the kernel takes none.
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
    /// Rounds of the loop in which the kernel has told all it had to tell.
    round: u32 = 0,
    /// When it was last looked for somebody to close, in vain.
    reclaimed_round: ?u32 = null,

    pub fn init(options: Options) error{OutOfMemory}!Broadcasts {
        assert(options.subscriptions >= options.slots);
        var topics: Topics = try .init(.{ .topics = options.topics, .subscriptions = options.subscriptions });
        errdefer topics.deinit();
        var messages: Slab(Message) = try .init(options.messages);
        errdefer messages.deinit();
        // As many as ever can be: what nobody uses is not backed by memory.
        var waiting: Slab(Waiting) = try .init(@intCast(@min(@as(u64, options.slots) * options.messages, waiting_total_max)));
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

    /// All that happened until now is known to those whom it concerns.
    pub fn endRound(self: *Broadcasts) void {
        self.round +%= 1;
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

/// What is copied although it could be sent from where it lies: a second piece costs more.
const copied_bytes_max = 4096;

/// 16 million: 128 MB if all of them ever wait at once.
const waiting_total_max = 1 << 24;

/// A connection became a WebSocket of this route, whose topic is kept.
pub fn join(core: *Core, slot: *StackSlot, route: []const u8) void {
    const broadcasts = &core.broadcasts;
    slot.line3.listener = .{ .joined = true };
    broadcasts.listeners += 1;
    // Nobody else got the subscription that is reserved for it.
    broadcasts.topics.subscribe(&slot.line3.listener.subscriptions, core.slots.indexOf(slot), route, .{}) catch unreachable;
}

pub fn subscribe(core: *Core, slot: *StackSlot, topic: []const u8) web_socket.SubscribeError!void {
    const broadcasts = &core.broadcasts;
    // One that is too slow is told so soon.
    if (!slot.line3.listener.joined) return;
    try broadcasts.topics.subscribe(&slot.line3.listener.subscriptions, core.slots.indexOf(slot), topic, .{
        // Each connection that may come still finds one for its route.
        .reserved = core.slots.capacity() - broadcasts.listeners,
        .count_max = 1 + core.config.subscriptions_per_connection_max,
    });
}

pub fn unsubscribe(core: *Core, slot: *StackSlot, topic: []const u8) void {
    core.broadcasts.topics.unsubscribe(&slot.line3.listener.subscriptions, topic);
}

/// It hears of nothing any more.
pub fn leave(core: *Core, slot: *StackSlot) void {
    const listener = &slot.line3.listener;
    if (!listener.joined) return;
    listener.joined = false;
    core.broadcasts.topics.unsubscribeAll(&listener.subscriptions);
    core.broadcasts.listeners -= 1;
    slot.line1.flags.behind = false;
    while (listener.waiting_len > 0) release(core, takeFirst(core, listener));
}

/// To all who subscribed to the topic, or came by the route of that pattern. Says to how many.
pub fn toTopic(core: *Core, topic: []const u8, opcode: web_socket.Opcode, payload: []const u8) Error!u32 {
    if (core.broadcasts.topics.firstOf(topic) == none) return 0;
    const message = try create(core, opcode, payload);
    defer release(core, message);
    var count: u32 = 0;
    // Who made room for it is gone.
    var index = core.broadcasts.topics.firstOf(topic);
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
pub fn toOne(core: *Core, slot: *StackSlot, opcode: web_socket.Opcode, payload: []const u8) Error!void {
    const message = try create(core, opcode, payload);
    defer release(core, message);
    give(core, slot, message);
}

/// A message with one reference: the caller's.
fn create(core: *Core, opcode: web_socket.Opcode, payload: []const u8) Error!u32 {
    var header: [protocol.header_bytes_max]u8 = undefined;
    const header_len = (protocol.Header{ .opcode = opcode.ofFrame(), .is_last = true, .payload_bytes = payload.len }).write(&header);
    if (header_len + payload.len > core.buffers.bytesMax()) return error.TooLong;
    const frame_bytes = header_len + payload.len;
    const index = acquire(core, frame_bytes) orelse again: {
        if (!reclaim(core)) return error.OutOfMemory;
        break :again acquire(core, frame_bytes) orelse return error.OutOfMemory;
    };
    const frame = &core.broadcasts.messages.items[index].frame;
    assert(core.buffers.append(frame, header[0..header_len]));
    assert(core.buffers.append(frame, payload));
    return index;
}

fn acquire(core: *Core, frame_bytes: usize) ?u32 {
    const messages = &core.broadcasts.messages;
    const index = messages.acquire() orelse return null;
    const frame = core.buffers.acquire(frame_bytes) orelse {
        messages.release(index);
        return null;
    };
    core.stats.broadcasts += 1;
    messages.items[index] = .{ .next = none, .references = 1, .number = core.stats.broadcasts, .frame = frame };
    return index;
}

fn release(core: *Core, index: u32) void {
    const message = &core.broadcasts.messages.items[index];
    message.references -= 1;
    if (message.references > 0) return;
    core.buffers.release(&message.frame);
    core.broadcasts.messages.release(index);
}

/// No memory for one more message: of those that the kernel takes nothing for, who waits for the oldest one is closed. False
/// when there is none.
fn reclaim(core: *Core) bool {
    const broadcasts = &core.broadcasts;
    // Nothing has changed since.
    if (broadcasts.reclaimed_round == broadcasts.round) return false;
    const live = core.slots.live[0..core.slots.live_len];
    var oldest: u64 = std.math.maxInt(u64);
    for (live) |index| oldest = @min(oldest, blockedAt(core, &core.slots.slots[index]) orelse continue);
    if (oldest == std.math.maxInt(u64)) {
        broadcasts.reclaimed_round = broadcasts.round;
        return false;
    }
    for (live) |index| {
        const slot = &core.slots.slots[index];
        if (blockedAt(core, slot) == oldest) overrun(core, slot);
    }
    return true;
}

/// The number of the message that it waits for in vain.
fn blockedAt(core: *const Core, slot: *const StackSlot) ?u64 {
    if (slot.line1.state != .web_socket or !slot.line1.flags.behind or !isStuck(core, slot)) return null;
    const listener = &slot.line3.listener;
    if (listener.waiting_len == 0) return null;
    return core.broadcasts.messages.items[core.broadcasts.waiting.items[listener.waiting_first].message].number;
}

fn give(core: *Core, slot: *StackSlot, message: u32) void {
    const broadcasts = &core.broadcasts;
    const listener = &slot.line3.listener;
    // One that is closed for want of memory, and not gone yet.
    if (slot.line1.state != .web_socket or listener.overrun) return;
    broadcasts.noteChanged(core.slots.indexOf(slot));
    const is_free = !slot.line1.flags.sending and !slot.line1.flags.sharing and listener.waiting_len == 0;
    if (is_free and copy(core, slot, message)) return;
    if (listener.waiting_len >= broadcasts.waiting_max and isStuck(core, slot)) return overrun(core, slot);
    if (listener.waiting_len == std.math.maxInt(u16)) return overrun(core, slot);
    const index = broadcasts.waiting.acquire() orelse return overrun(core, slot);
    broadcasts.waiting.items[index] = .{ .next = none, .message = message };
    broadcasts.messages.items[message].references += 1;
    if (listener.waiting_len == 0) listener.waiting_first = index else broadcasts.waiting.items[listener.waiting_last].next = index;
    listener.waiting_last = index;
    listener.waiting_len += 1;
    slot.line1.flags.behind = true;
}

/// The kernel has had what is under way for a whole round, and has not taken it. The round in which it was given may have ended
/// before the kernel saw it.
fn isStuck(core: *const Core, slot: *const StackSlot) bool {
    return slot.line1.flags.sending and core.broadcasts.round -% slot.line1.send_round >= 2;
}

/// Too slow: nothing more waits for it, and the next thing it is sent is why.
fn overrun(core: *Core, slot: *StackSlot) void {
    core.stats.slow_consumers += 1;
    leave(core, slot);
    slot.line3.listener.overrun = true;
}

fn bytesOf(core: *const Core, message: u32) []const u8 {
    return core.broadcasts.messages.items[message].frame.bytes();
}

/// Copies the message into the output, which is not being sent. False when it has to wait, or is better sent from where it lies.
fn copy(core: *Core, slot: *StackSlot, message: u32) bool {
    assert(!slot.line1.flags.sending);
    const frame = bytesOf(core, message);
    const output = &slot.line1.output;
    if (core.speaking == slot) {
        // Between what its handler sends itself, if it is at all possible.
        if (!output.isEmpty() and output.len + frame.len > output_bytes_max) return false;
        return core.buffers.append(output, frame);
    }
    if (frame.len > copied_bytes_max or output.len + frame.len > output_bytes_max) return false;
    return core.buffers.appendSpare(output, frame);
}

fn takeFirst(core: *Core, listener: *Listener) u32 {
    const index = listener.waiting_first;
    const node = core.broadcasts.waiting.items[index];
    listener.waiting_first = node.next;
    listener.waiting_len -= 1;
    core.broadcasts.waiting.release(index);
    return node.message;
}

/// Nothing is being sent to a WebSocket: what waits goes into its output or behind it, before its handler sees more of its
/// input. So the answer to a message says nothing that a broadcast before it doesn't.
pub fn takeWaiting(core: *Core, slot: *StackSlot) void {
    // The rest of a frame comes before anything else.
    if (slot.line1.flags.sharing) return;
    const listener = &slot.line3.listener;
    if (listener.overrun) return web_socket.end(core, slot, .try_again_later, "too slow");
    while (listener.waiting_len > 0) {
        const message = core.broadcasts.waiting.items[listener.waiting_first].message;
        if (!copy(core, slot, message)) return share(core, slot);
        release(core, takeFirst(core, listener));
    }
    slot.line1.flags.behind = false;
}

/// Sends the first message that waits from where it lies, behind the output.
fn share(core: *Core, slot: *StackSlot) void {
    const message = takeFirst(core, &slot.line3.listener);
    const frame = bytesOf(core, message);
    slot.line1.shared = message;
    slot.line4.write_iovs[1] = .{ .base = frame.ptr, .len = frame.len };
    slot.line1.flags.sharing = true;
}

/// It is sent, or its connection is gone.
pub fn endSharing(core: *Core, slot: *StackSlot) void {
    slot.line1.flags.sharing = false;
    release(core, slot.line1.shared);
}

/// A broadcast on its way from another thread.
pub fn Call(comptime Server: type) type {
    return struct {
        server: *Server,
        opcode: web_socket.Opcode,
        /// The topic, and the payload behind it.
        bytes: []u8,
        topic_len: usize,
        /// Turns that it waited for memory.
        repeats: u32 = 0,

        const Self = @This();

        pub fn create(server: *Server, topic: []const u8, opcode: web_socket.Opcode, payload: []const u8) error{OutOfMemory}!*Self {
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

        pub fn discard(context: *anyopaque) void {
            destroy(@ptrCast(@alignCast(context)));
        }

        /// As many turns as it may take until the kernel was asked about everybody who listens, and those are closed who keep all
        /// memory for messages. Other calls wait behind it.
        const repeats_max = 64;

        pub fn run(context: *anyopaque, _: std.mem.Allocator) void {
            const call: *Self = @ptrCast(@alignCast(context));
            const core = &call.server.core;
            const topic = call.bytes[0..call.topic_len];
            _ = toTopic(core, topic, call.opcode, call.bytes[call.topic_len..]) catch |err| {
                if (err == error.OutOfMemory and core.broadcasts.messages.used > 0 and call.repeats < repeats_max) {
                    call.repeats += 1;
                    return call.server.rs.invoke.repeat();
                }
                core.stats.broadcasts_failed += 1;
                std.log.scoped(.server).warn("broadcast to {s}: {t}", .{ topic, err });
            };
            call.destroy();
        }
    };
}
