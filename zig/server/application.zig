//! The seam for an application that takes requests by itself, in the place of routes and handlers: it judges what a head
//! means, takes bodies as they come, and answers whenever it likes, in bytes that it has written itself. Lyger's front is one
//! (`front.zig`).
//!
//! What stays ours: connections, lines of heads, framing of bodies, time limits, sending. All runs on the loop's thread, and an
//! application may answer from within a call or later.

const std = @import("std");
const assert = std.debug.assert;
const http = @import("protocol/http.zig");
const slots = @import("slot.zig");
const Core = @import("core.zig").Core;
const StackSlot = slots.StackSlot;

/// A deadline that never comes.
pub const never = std.math.maxInt(u64);

/// What becomes of a request's body.
pub const Reading = struct {
    framing: http.Framing = .none,
    /// The client waits for being told to send.
    expects_continue: bool = false,
};

/// What an application is told. All of it but `onHead` has nothing to say back.
pub const Application = struct {
    context: *anyopaque,
    /// How long a client that sends no more is waited for before `onHalfClosed`.
    half_close_timeout_ms: u32,
    /// All trailer lines of a body.
    trailer_bytes_max: u16,
    onOpen: *const fn (*anyopaque, *StackSlot) void,
    /// The request's line and fields, as offsets into the message, which are gone when it returns.
    onHead: *const fn (*anyopaque, *StackSlot, message: []const u8, parser: *const http.RequestParser, fields: []const http.Field) Reading,
    onBody: *const fn (*anyopaque, *StackSlot, data: []const u8, is_last: bool) void,
    /// The bytes are no request, or too many, or too late; nothing more is read, and the answer has to be the last one.
    onRefusal: *const fn (*anyopaque, *StackSlot, Refusal) void,
    /// The client has ended what it sends, and its request has waited for so much longer.
    onHalfClosed: *const fn (*anyopaque, *StackSlot) void,
    /// What was sent before has left, so that an answer or the next part of one may follow.
    onWritable: *const fn (*anyopaque, *StackSlot) void,
    /// The connection has ended. It is not named again.
    onClose: *const fn (*anyopaque, *StackSlot) void,
    onAcceptFailure: *const fn (*anyopaque, errno: u16) void,
};

pub const Refusal = struct {
    /// 400, 408, 413, 414, 431.
    status: u16,
    is_in_body: bool,
    /// Bytes of a request line that hasn't ended.
    open_line_bytes: usize,
};

/// Part of an answer.
pub const Part = struct {
    /// Copied.
    head: []const u8,
    /// Copied behind the head, or sent from where it lies.
    body: []const u8,
    /// Told once when the body isn't needed any more; null has a last part's body copied.
    release: ?slots.Release,
    release_context: ?*anyopaque,
    is_last: bool,
    /// Whether the connection stays open behind the last part.
    keep_alive: bool,
};

/// A head is complete, and lies in the input or in a receive buffer.
pub fn takeHead(core: *Core, slot: *StackSlot, message: []const u8, parser: *const http.RequestParser) void {
    const application = core.application.?;
    core.stats.requests += 1;
    slot.line1.req_count +%= 1;
    slot.line5.ws = .{ .none = {} };
    wait(core, slot);
    const fields = core.fields[0..parser.scan.count];
    const reading = application.onHead(application.context, slot, message, parser, fields);
    core.buffers.release(&slot.line2.input);
    if (reading.framing == .none or slot.line1.state != .deferred) return;

    core.deferred -= 1;
    // Its length was compared with the limit by who knows what a refusal says.
    var body = http.Body.init(reading.framing, core.config.body_bytes_max) catch return core.refuse(slot, 413);
    body.decoder.lenient = true;
    body.decoder.trailer_bytes_max = application.trailer_bytes_max;
    slot.line5.ws = .{ .http = .{ .body = body } };
    slot.line1.state = .body;
    slot.line2.read_deadline_ms = core.now_ms + core.config.body_timeout_ms;
    if (reading.expects_continue) {
        if (!core.buffers.append(&slot.line1.output, http.response.continue_head)) core.giveUp(slot);
    }
}

/// A piece of a body. Unlike a handler's, an application's time for it begins anew with each.
pub fn takeBody(core: *Core, slot: *StackSlot, data: []const u8, is_last: bool) void {
    const application = core.application.?;
    slot.line2.read_deadline_ms = core.now_ms + core.config.body_timeout_ms;
    if (is_last) {
        slot.line5.ws = .{ .none = {} };
        wait(core, slot);
    }
    if (data.len > 0 or is_last) application.onBody(application.context, slot, data, is_last);
}

/// Has the application refuse what came; a request that is complete is only told that its client has sent no more for long.
pub fn refuse(core: *Core, slot: *StackSlot, status: u16) void {
    const application = core.application.?;
    if (slot.line1.state == .deferred) {
        slot.line2.read_deadline_ms = never;
        return application.onHalfClosed(application.context, slot);
    }
    const is_in_body = slot.line1.state == .body;
    const open_line_bytes = if (is_in_body) 0 else slot.line3.parser.openLineBytes();
    core.stats.refused += 1;
    core.buffers.release(&slot.line2.input);
    slot.line5.ws = .{ .none = {} };
    wait(core, slot);
    slot.line2.read_deadline_ms = never;
    const refusal: Refusal = .{ .status = status, .is_in_body = is_in_body, .open_line_bytes = open_line_bytes };
    application.onRefusal(application.context, slot, refusal);
    // An answer that keeps the connection would have the rest read as a request.
    if (slot.line1.state == .deferred) core.deferred -= 1;
    if (slot.line1.state == .deferred or slot.line1.state == .head) core.giveUp(slot);
}

/// The request is the application's now.
fn wait(core: *Core, slot: *StackSlot) void {
    slot.line1.state = .deferred;
    core.deferred += 1;
    slot.line2.read_deadline_ms = if (slot.line1.flags.peer_finished)
        core.now_ms + core.application.?.half_close_timeout_ms
    else
        never;
}

/// The client sends no more, and waits for an answer.
pub fn halfClose(core: *Core, slot: *StackSlot) void {
    if (slot.line1.state != .deferred or slot.line1.flags.more) return;
    slot.line2.read_deadline_ms = core.now_ms + core.application.?.half_close_timeout_ms;
}

/// A part is sent, or what kept it from being written.
pub fn goOn(core: *Core, slot: *StackSlot) void {
    const application = core.application.?;
    slot.line1.state = .deferred;
    core.deferred += 1;
    slot.line2.read_deadline_ms = never;
    application.onWritable(application.context, slot);
}

pub const Outcome = enum(u8) { taken, later, gone };

/// Writes a part of an answer. `later` while something is being sent: `onWritable` tells when. The body is released in any
/// case but that one.
pub fn answer(core: *Core, slot: *StackSlot, part: Part) Outcome {
    if (slot.line1.state != .deferred) {
        releasePart(part);
        return .gone;
    }
    core.deferred -= 1;
    if (slot.line1.flags.sending) {
        slot.line1.state = .answered;
        return .later;
    }
    slot.line1.flags.keep_alive = part.keep_alive;
    slot.line1.flags.more = !part.is_last;
    slot.line1.state = .ending;
    if (!write(core, slot, part)) core.giveUp(slot);
    return .taken;
}

fn write(core: *Core, slot: *StackSlot, part: Part) bool {
    const output = &slot.line1.output;
    if (part.release == null) {
        assert(part.is_last);
        // Both or none: half an answer would be worse than none.
        if (!core.buffers.reserve(output, part.head.len + part.body.len)) return false;
        if (!core.buffers.append(output, part.head) or !core.buffers.append(output, part.body)) unreachable;
        core.finishAnswer(slot);
        return true;
    }
    if (!core.buffers.append(output, part.head)) {
        releasePart(part);
        return false;
    }
    assert(part.body.len > 0);
    slot.line4.release = part.release;
    slot.line4.release_context = part.release_context;
    slot.line4.write_iovs[1] = .{ .base = part.body.ptr, .len = part.body.len };
    slot.line5.ws = .{ .owned = .{ .bytes = part.body } };
    slot.line1.flags.owned = true;
    slot.line1.state = .answering;
    return true;
}

fn releasePart(part: Part) void {
    if (part.release) |release| release(part.release_context, part.body);
}
