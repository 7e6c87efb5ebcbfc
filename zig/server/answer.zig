//! Answers, as they are put into a connection's output: whole ones, bodies that are sent from where they lie, and bodies
//! that are asked for piece by piece.

const std = @import("std");
const assert = std.debug.assert;
const http = @import("protocol/http.zig");
const response = http.response;
const Buffer = @import("buffers.zig").Buffer;
pub const Fields = @import("answer/fields.zig").Fields;
const Core = @import("core.zig").Core;
const DeferredNode = @import("deferred.zig").DeferredNode;
const slots = @import("slot.zig");
const StackSlot = slots.StackSlot;

/// What a head takes without fields of the handler's; a longer one is written twice.
const head_bytes_usual = 256;

/// What is taken for the first of several answers, so that those behind it don't have to move it: as many as requests in a
/// buffer of the usual size may get.
const pipelined_bytes = 4096;

/// The room to take at least for what comes next into the output.
pub inline fn firstBytes(core: *const Core, output: *const Buffer) usize {
    return if (core.more_follows and output.isEmpty()) pipelined_bytes else 0;
}

/// A body up to this size is copied even when it could be sent from where it lies: a second piece costs more.
const copied_bytes_max = 4096;

/// What is asked for at a time of a body in pieces.
const piece_bytes_max = 16 * 1024;

/// The last head of the usual kind, up to its Content-Length's value: of a status and a type, in one second. Most answers of a
/// server begin alike.
pub const Memo = struct {
    bytes: [bytes_max]u8 = undefined,
    len: usize = 0,
    second: u64 = 0,
    status: u16 = 0,
    content_type: [bytes_max]u8 = undefined,
    content_type_len: usize = 0,

    /// More than usual heads have.
    const bytes_max = 192;
    const length_name = "Content-Length: ";

    fn holds(memo: *const Memo, second: u64, status: u16, content_type: []const u8) bool {
        return memo.len > 0 and memo.second == second and memo.status == status and
            std.mem.eql(u8, memo.content_type[0..memo.content_type_len], content_type);
    }

    /// Keeps the head that was just written, if it is short enough.
    fn keep(memo: *Memo, second: u64, status: u16, content_type: []const u8, head_bytes: []const u8) void {
        memo.len = 0;
        // It is the last line, behind which only the empty one comes.
        const value = std.mem.lastIndexOf(u8, head_bytes, length_name).? + length_name.len;
        if (value > bytes_max or content_type.len > bytes_max) return;
        @memcpy(memo.bytes[0..value], head_bytes[0..value]);
        @memcpy(memo.content_type[0..content_type.len], content_type);
        memo.content_type_len = content_type.len;
        memo.second = second;
        memo.status = status;
        memo.len = value;
    }

    /// The head for a body of that length. The bytes it has.
    fn write(memo: *const Memo, into: []u8, length: u64) usize {
        comptime assert(bytes_max + 20 + line_ends.len <= head_bytes_usual);
        @memcpy(into[0..memo.len], memo.bytes[0..memo.len]);
        var buffer: [20]u8 = undefined;
        const digits = response.decimal(&buffer, length);
        @memcpy(into[memo.len..][0..digits.len], digits);
        into[memo.len + digits.len ..][0..line_ends.len].* = line_ends.*;
        return memo.len + digits.len + line_ends.len;
    }

    const line_ends = "\r\n\r\n";
};

/// What the answer's own code did wrong; its client gets a 500.
pub const Error = error{
    /// A field that can't be sent, or a status that is none of a final answer.
    InvalidAnswer,
    /// More than the largest buffer holds: send it from where it lies, or in pieces.
    AnswerTooLong,
    /// Those that were kept and those that came with the answer are more than one may have.
    TooManyFields,
};

/// A whole answer, copied.
pub fn whole(core: *Core, slot: *StackSlot, status: u16, content_type: ?[]const u8, body: []const u8) Error!void {
    const sent_body: []const u8 = if (response.hasBody(status, slot.line1.flags.is_head)) body else "";
    if (slot.line1.output.len + head_bytes_usual + sent_body.len > core.buffers.bytesMax()) {
        return apart(core, slot, status, content_type, sent_body);
    }
    head(core, slot, status, content_type, .{ .length = body.len }, sent_body.len) catch |err| {
        // The head is longer than usual.
        if (err == error.AnswerTooLong and sent_body.len > 0) return apart(core, slot, status, content_type, sent_body);
        return err;
    };
    if (slot.line1.state == .broken) return;
    const output = &slot.line1.output;
    @memcpy(output.unused()[0..sent_body.len], sent_body);
    output.len += @intCast(sent_body.len);
}

/// A copy in a buffer of its own: behind the answers that wait already there is no room for it.
fn apart(core: *Core, slot: *StackSlot, status: u16, content_type: ?[]const u8, body: []const u8) Error!void {
    if (body.len > core.buffers.bytesMax()) return error.AnswerTooLong;
    try head(core, slot, status, content_type, .{ .length = body.len }, 0);
    if (slot.line1.state == .broken) return;
    var buffer: Buffer = .{};
    if (!core.buffers.append(&buffer, body)) return core.giveUp(slot);
    sendOwned(slot, .{ .bytes = buffer.bytes(), .buffer = buffer });
}

fn sendOwned(slot: *StackSlot, work: slots.OwnedWork) void {
    slot.line4.write_iovs[1] = .{ .base = work.bytes.ptr, .len = work.bytes.len };
    slot.line5.ws = .{ .owned = work };
    slot.line1.flags.owned = true;
    slot.line1.state = .answering;
}

/// In place of one that can't be sent, with the fields that were there `before` whoever made it, if it isn't they that can't be.
pub fn failed(core: *Core, slot: *StackSlot, err: Error, before: Fields.Mark) void {
    core.stats.handler_errors += 1;
    const text = switch (err) {
        error.InvalidAnswer => "the handler's answer has a field or a status that can't be sent\n",
        error.AnswerTooLong => "the handler's answer is longer than a buffer\n",
        error.TooManyFields => "the handler's answer has more fields than can be sent\n",
    };
    core.answer_fields.backTo(before);
    whole(core, slot, 500, plain_type, text) catch plain(core, slot, 500, text);
}

const plain_type = "text/plain; charset=utf-8";

/// Keeps what was added for an answer that comes later, in the place of the request's body, which is done with. False when there
/// is no memory for it.
pub fn keepFields(core: *Core, slot: *StackSlot) bool {
    const fields = &core.answer_fields;
    const kept = &slot.line4.body;
    assert(kept.isEmpty());
    if (fields.len == 0) return true;
    const len = fields.packedBytes();
    if (!core.buffers.reserve(kept, len)) return false;
    fields.pack(kept.unused()[0..len]);
    kept.len = @intCast(len);
    return true;
}

/// One that came later, with the fields that were kept for it and its own. A long body is sent from where it lies.
pub fn later(core: *Core, slot: *StackSlot, node: DeferredNode) void {
    const fields = &core.answer_fields;
    fields.clear();
    // They had room before.
    fields.addPacked(slot.line4.body.bytes()) catch unreachable;
    const before = fields.mark();
    core.buffers.release(&slot.line4.body);
    const added = fields.addPacked(node.fields);
    core.allocator.free(node.fields);
    const sent = if (added) |_|
        owned(core, slot, node.status, node.content_type.name(), node.body, Core.free, core)
    else |err| failing: {
        core.allocator.free(node.body);
        break :failing err;
    };
    sent catch |err| {
        std.log.scoped(.server).warn("an answer that came later can't be sent: {t}", .{err});
        failed(core, slot, err, before);
    };
}

/// For answers of our own, which are always valid.
pub fn plain(core: *Core, slot: *StackSlot, status: u16, text: []const u8) void {
    core.answer_fields.clear();
    whole(core, slot, status, plain_type, text) catch unreachable;
}

/// A body that is sent from where it lies, and given back by `release` when it is sent, or its connection is gone.
pub fn owned(
    core: *Core,
    slot: *StackSlot,
    status: u16,
    content_type: ?[]const u8,
    body: []const u8,
    release: ?slots.Release,
    context: ?*anyopaque,
) Error!void {
    const is_sent = response.hasBody(status, slot.line1.flags.is_head) and body.len > 0;
    if (!is_sent or body.len <= copied_bytes_max) {
        defer if (release) |call| call(context, body);
        return whole(core, slot, status, content_type, body);
    }
    head(core, slot, status, content_type, .{ .length = body.len }, 0) catch |err| {
        if (release) |call| call(context, body);
        return err;
    };
    if (slot.line1.state == .broken) {
        if (release) |call| call(context, body);
        return;
    }
    slot.line4.release = release;
    slot.line4.release_context = context;
    sendOwned(slot, .{ .bytes = body });
}

/// Tells whoever gave the body that it is sent, or never will be.
pub fn releaseBody(core: *Core, slot: *StackSlot) void {
    var body: []const u8 = "";
    if (slot.line1.flags.owned) {
        slot.line1.flags.owned = false;
        body = slot.line5.ws.owned.bytes;
        core.buffers.release(&slot.line5.ws.owned.buffer);
    }
    if (slot.line4.release) |call| {
        slot.line4.release = null;
        call(slot.line4.release_context, body);
    }
}

/// A body that is asked for piece by piece, whenever the last piece is sent. Chunked, or until the end of the connection
/// for clients of HTTP/1.0.
pub fn pieces(
    core: *Core,
    slot: *StackSlot,
    status: u16,
    content_type: ?[]const u8,
    produce: slots.Produce,
    release: ?slots.Release,
    context: ?*anyopaque,
) Error!void {
    const flags = &slot.line1.flags;
    if (flags.is_http10) flags.keep_alive = false;
    slot.line4.release = release;
    slot.line4.release_context = context;
    errdefer releaseBody(core, slot);
    try head(core, slot, status, content_type, if (flags.is_http10) .until_close else .chunked, 0);
    if (slot.line1.state == .broken or !response.hasBody(status, flags.is_head)) return releaseBody(core, slot);
    flags.chunked = !flags.is_http10;
    slot.line5.ws = .{ .produce = .{ .produce = produce, .context = context } };
    slot.line1.state = .answering;
}

/// The next piece of such a body into the output, which is sent.
pub fn nextPiece(core: *Core, slot: *StackSlot) void {
    assert(slot.line1.state == .answering);
    assert(!slot.line1.flags.sending);
    const work = slot.line5.ws.produce;
    const output = &slot.line1.output;
    const frame_bytes_max = response.chunk_head_bytes_max + response.chunk_end.len;
    if (!core.buffers.reserve(output, piece_bytes_max + frame_bytes_max)) return core.giveUp(slot);
    // The size of the piece goes in front of it, and is known afterwards.
    const room = output.unused();
    const data = room[response.chunk_head_bytes_max..][0..piece_bytes_max];
    const len = work.produce(work.context, data) catch {
        core.stats.handler_errors += 1;
        slot.line1.state = .broken;
        return;
    };
    assert(len <= data.len);
    if (len == 0) {
        if (slot.line1.flags.chunked) {
            @memcpy(room[0..response.last_chunk.len], response.last_chunk);
            output.len += response.last_chunk.len;
        }
        releaseBody(core, slot);
        return core.finishAnswer(slot);
    }
    if (!slot.line1.flags.chunked) {
        std.mem.copyForwards(u8, room[0..len], data[0..len]);
        output.len += @intCast(len);
        return;
    }
    var head_buffer: [response.chunk_head_bytes_max]u8 = undefined;
    const chunk_head = response.chunkHead(&head_buffer, len);
    @memcpy(room[0..chunk_head.len], chunk_head);
    std.mem.copyForwards(u8, room[chunk_head.len..][0..len], data[0..len]);
    @memcpy(room[chunk_head.len + len ..][0..response.chunk_end.len], response.chunk_end);
    output.len += @intCast(chunk_head.len + len + response.chunk_end.len);
}

/// The head of an answer, and room for `body_bytes` behind it.
fn head(
    core: *Core,
    slot: *StackSlot,
    status: u16,
    content_type: ?[]const u8,
    ending: response.Ending,
    body_bytes: usize,
) Error!void {
    if (status < 200) return error.InvalidAnswer;
    const output = &slot.line1.output;
    if (output.len + head_bytes_usual + body_bytes > core.buffers.bytesMax()) return error.AnswerTooLong;
    const room = head_bytes_usual + body_bytes;
    if (!core.buffers.reserve(output, @max(room, firstBytes(core, output)))) return core.giveUp(slot);
    const has_ending = status != 204 and status != 304;
    const kept = slot.line1.flags.keep_alive;
    const connection: response.Connection = if (!kept) .close else if (slot.line1.flags.is_http10) .keep_alive else .keep;
    const is_usual = has_ending and ending == .length and connection == .keep and core.answer_fields.len == 0 and content_type != null;
    if (is_usual and core.answer_memo.holds(core.now_seconds, status, content_type.?)) {
        output.len += @intCast(core.answer_memo.write(output.unused(), ending.length));
        return;
    }
    var writer = write(core, slot, status, content_type);
    if (writer.end(if (has_ending) ending else .nothing, connection)) |bytes| {
        if (output.unused().len - bytes.len >= body_bytes) {
            if (is_usual) core.answer_memo.keep(core.now_seconds, status, content_type.?, bytes);
            output.len += @intCast(bytes.len);
            return;
        }
    } else |err| switch (err) {
        error.NoRoom => {},
        else => return error.InvalidAnswer,
    }
    // Once more with as much room as it takes, which the first time has told.
    const needed = writer.needed + body_bytes;
    if (output.len + needed > core.buffers.bytesMax()) return error.AnswerTooLong;
    if (!core.buffers.reserve(output, needed)) return core.giveUp(slot);
    writer = write(core, slot, status, content_type);
    const bytes = writer.end(if (has_ending) ending else .nothing, connection) catch unreachable;
    output.len += @intCast(bytes.len);
}

fn write(core: *Core, slot: *StackSlot, status: u16, content_type: ?[]const u8) response.Writer {
    var writer: response.Writer = .{ .buffer = slot.line1.output.unused() };
    writer.status(status);
    if (core.config.server_name) |name| writer.field("Server", name);
    writer.date(core.date.at(core.now_seconds));
    if (content_type) |value| writer.contentType(value);
    core.answer_fields.write(&writer);
    return writer;
}

test "a head that is kept is the one that would be written, for every length and for nothing else" {
    const Heads = struct {
        fn of(buffer: []u8, second: u64, status: u16, content_type: []const u8, length: u64) ![]const u8 {
            var writer: response.Writer = .{ .buffer = buffer };
            writer.status(status);
            writer.date(&http.date.format(second));
            writer.contentType(content_type);
            return writer.end(.{ .length = length }, .keep);
        }
    };
    var memo: Memo = .{};
    var written: [1024]u8 = undefined;
    var copied: [head_bytes_usual]u8 = undefined;
    try std.testing.expect(!memo.holds(0, 0, ""));
    memo.keep(7, 404, "text/plain", try Heads.of(&written, 7, 404, "text/plain", 5));
    for ([_]u64{ 0, 5, 10, std.math.maxInt(u64) }) |length| {
        try std.testing.expect(memo.holds(7, 404, "text/plain"));
        const len = memo.write(&copied, length);
        try std.testing.expectEqualStrings(try Heads.of(&written, 7, 404, "text/plain", length), copied[0..len]);
    }
    try std.testing.expect(!memo.holds(8, 404, "text/plain"));
    try std.testing.expect(!memo.holds(7, 200, "text/plain"));
    try std.testing.expect(!memo.holds(7, 404, "text/plain; charset=utf-8"));
    try std.testing.expect(!memo.holds(7, 404, "text/html_"));
    // One that is too long is not kept, and neither is what was before it.
    const long = "a/" ++ "b" ** 300;
    memo.keep(7, 404, long, try Heads.of(&written, 7, 404, long, 5));
    try std.testing.expect(!memo.holds(7, 404, long));
    try std.testing.expect(!memo.holds(7, 404, "text/plain"));
}
