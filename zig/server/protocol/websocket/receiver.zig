//! One side's stream of frames as messages (RFC 6455 5.4 to 5.6, 7): fragments put in order, control frames taken out
//! from between them, text checked as it comes, and every breach told with the code to close with.
//!
//! Payloads are unmasked where they lie and given out as slices. The receiver keeps no bytes: the header of a frame, and a
//! whole control frame (at most 139 bytes), must lie in one piece of input, and what it didn't consume is to be
//! given again with more behind it. Data frames are given out in as many pieces as they come in.

const std = @import("std");
const frame = @import("frame.zig");
const mask_of = @import("mask.zig");
const utf8 = @import("utf8.zig");

pub const Error = frame.Error || frame.CloseError || error{
    /// A continuation of nothing, or a message within another.
    InvalidContinuation,
    InvalidUtf8,
    MessageTooBig,
};

/// The code to close with.
pub fn closeCodeOf(err: Error) frame.CloseCode {
    return switch (err) {
        error.InvalidUtf8, error.InvalidCloseReason => .invalid_payload,
        error.MessageTooBig => .message_too_big,
        else => .protocol_error,
    };
}

pub const Options = struct {
    sender: frame.Header.Sender = .client,
    /// A message, whatever its fragments. As long a limit as that for bodies of requests.
    message_bytes_max: u64 = 1024 * 1024,
    /// permessage-deflate was agreed on: the first frame of a message may say that it is compressed. Its text is
    /// then to be checked by whoever inflates it.
    allows_compression: bool = false,
};

pub const Event = union(enum) {
    /// There is nothing more to tell of this input.
    none,
    data: Data,
    /// To be answered with a Pong of the same payload.
    ping: []const u8,
    pong: []const u8,
    /// To be answered with a Close of the same code, unless one was sent before. Nothing comes after it.
    close: frame.Close,
};

/// A piece of a message. One that `begins` and `ends` is the whole message.
pub const Data = struct {
    opcode: frame.Opcode,
    bytes: []u8,
    begins: bool,
    ends: bool,
    compressed: bool,
};

pub const Step = struct { consumed: usize, event: Event };

/// The state of one direction. 32 bytes.
pub const Receiver = struct {
    /// What is left of the data frame whose payload is being read.
    frame_left: u64 = 0,
    /// Payload of the message's frames so far, that of the current one included.
    message_bytes: u64 = 0,
    key: mask_of.Key = @splat(0),
    /// Between two characters whenever a message begins: one that ends elsewhere is an error.
    text: utf8.Validator = .{},
    opcode: frame.Opcode = .text,
    state: packed struct(u8) {
        in_message: bool = false,
        in_frame: bool = false,
        is_last_frame: bool = false,
        compressed: bool = false,
        /// No piece of this message has been given out.
        begins: bool = false,
        closed: bool = false,
        _: u2 = 0,
    } = .{},

    /// Reads up to one event. Call it again with what it didn't consume, until it says `none`.
    pub fn next(receiver: *Receiver, input: []u8, options: *const Options) Error!Step {
        if (receiver.state.closed) return .{ .consumed = input.len, .event = .none };
        if (receiver.state.in_frame) return receiver.payload(input, 0);
        if (input.len == 0) return .{ .consumed = 0, .event = .none };
        try receiver.checkOrder(@enumFromInt(@as(u4, @truncate(input[0]))));
        const read = try frame.Header.read(input, options.sender, options.allows_compression) orelse
            return .{ .consumed = 0, .event = .none };
        const header = read.header;
        if (header.opcode.isControl()) return receiver.control(input, read);
        try receiver.begin(header, options);
        return receiver.payload(input, read.bytes);
    }

    /// Whether the stream may end here: between two messages, or behind a Close.
    pub fn mayEnd(receiver: *const Receiver) bool {
        return receiver.state.closed or !receiver.state.in_message;
    }

    /// By the first byte alone, so that it is told before the rest of the header has come.
    fn checkOrder(receiver: *const Receiver, opcode: frame.Opcode) Error!void {
        if (opcode.isControl()) return;
        if ((opcode == .continuation) != receiver.state.in_message) return error.InvalidContinuation;
    }

    fn begin(receiver: *Receiver, header: frame.Header, options: *const Options) Error!void {
        if (header.opcode != .continuation) {
            receiver.opcode = header.opcode;
            receiver.message_bytes = 0;
            receiver.state.compressed = header.compressed;
            receiver.state.begins = true;
            receiver.state.in_message = true;
        }
        receiver.message_bytes +|= header.payload_bytes;
        // Told before a byte of it has come.
        if (receiver.message_bytes > options.message_bytes_max) return error.MessageTooBig;
        receiver.frame_left = header.payload_bytes;
        receiver.key = header.key orelse @splat(0);
        receiver.state.is_last_frame = header.is_last;
        receiver.state.in_frame = true;
    }

    fn payload(receiver: *Receiver, input: []u8, start: usize) Error!Step {
        const len: usize = @intCast(@min(receiver.frame_left, input.len - start));
        // Of a frame that isn't empty there is nothing to tell without a byte of it.
        if (len == 0 and receiver.frame_left > 0) return .{ .consumed = start, .event = .none };
        const bytes = input[start..][0..len];
        if (@as(u32, @bitCast(receiver.key)) != 0) receiver.key = mask_of.apply(bytes, receiver.key);
        receiver.frame_left -= len;
        const ends_frame = receiver.frame_left == 0;
        const ends = ends_frame and receiver.state.is_last_frame;
        if (receiver.opcode == .text and !receiver.state.compressed) {
            if (!receiver.text.feed(bytes)) return error.InvalidUtf8;
            if (ends and !receiver.text.isComplete()) return error.InvalidUtf8;
        }
        const begins = receiver.state.begins;
        receiver.state.begins = false;
        if (ends_frame) receiver.state.in_frame = false;
        if (ends) receiver.state.in_message = false;
        return .{ .consumed = start + len, .event = .{ .data = .{
            .opcode = receiver.opcode,
            .bytes = bytes,
            .begins = begins,
            .ends = ends,
            .compressed = receiver.state.compressed,
        } } };
    }

    fn control(receiver: *Receiver, input: []u8, read: frame.Header.Read) Error!Step {
        const len: usize = @intCast(read.header.payload_bytes);
        if (input.len - read.bytes < len) return .{ .consumed = 0, .event = .none };
        const bytes = input[read.bytes..][0..len];
        if (read.header.key) |key| _ = mask_of.apply(bytes, key);
        const consumed = read.bytes + len;
        switch (read.header.opcode) {
            .ping => return .{ .consumed = consumed, .event = .{ .ping = bytes } },
            .pong => return .{ .consumed = consumed, .event = .{ .pong = bytes } },
            else => {
                const close = try frame.readClose(bytes);
                receiver.state.closed = true;
                return .{ .consumed = consumed, .event = .{ .close = close } };
            },
        }
    }
};

/// Where the closing handshake stands (RFC 6455 7.1), of both directions together.
pub const Closing = enum(u8) {
    open,
    /// We sent a Close, and wait for theirs. Data that still comes is dropped.
    sent,
    /// Theirs came, and ours is to be sent.
    received,
    /// Both are sent: the server ends the connection.
    done,

    /// Whether a Close may be sent still.
    pub fn maySend(closing: Closing) bool {
        return closing == .open or closing == .received;
    }

    pub fn afterSent(closing: Closing) Closing {
        return switch (closing) {
            .open, .sent => .sent,
            .received, .done => .done,
        };
    }

    pub fn afterReceived(closing: Closing) Closing {
        return switch (closing) {
            .open, .received => .received,
            .sent, .done => .done,
        };
    }
};

test {
    _ = @import("receiver_test.zig");
}
