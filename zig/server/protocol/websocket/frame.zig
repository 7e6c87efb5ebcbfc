//! Frames (RFC 6455 5): their headers, read and written, and what may stand in the payload of a Close.

const std = @import("std");
const mask_of = @import("mask.zig");
const utf8 = @import("utf8.zig");

pub const Opcode = enum(u4) {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
    _,

    pub fn isControl(opcode: Opcode) bool {
        return @intFromEnum(opcode) & 8 != 0;
    }
};

/// RFC 6455 5.5.
pub const control_bytes_max = 125;
/// Two bytes, a length of eight, a mask of four.
pub const header_bytes_max = 14;

pub const Error = error{
    /// RSV1 to RSV3, which only extensions use.
    ReservedBits,
    ReservedOpcode,
    /// A control frame in pieces, or longer than 125 bytes.
    InvalidControlFrame,
    /// A frame of a client that isn't masked, or one of a server that is.
    InvalidMask,
    /// A length that would have fit into fewer bytes, or of 64 bits (RFC 6455 5.2).
    InvalidLength,
};

pub const Header = struct {
    opcode: Opcode,
    is_last: bool,
    compressed: bool = false,
    key: ?mask_of.Key = null,
    payload_bytes: u64,

    pub const Read = struct { header: Header, bytes: usize };

    /// Whose frames these are.
    pub const Sender = enum { client, server };

    /// Reads a header, or null when there isn't all of it. What can be refused is refused as soon as its byte is there.
    pub fn read(bytes: []const u8, sender: Sender, allows_compression: bool) Error!?Read {
        if (bytes.len == 0) return null;
        const first = bytes[0];
        const opcode: Opcode = @enumFromInt(@as(u4, @truncate(first)));
        const is_last = first & 0x80 != 0;
        const compressed = first & 0x40 != 0;
        if (first & 0x30 != 0) return error.ReservedBits;
        switch (opcode) {
            .continuation, .close, .ping, .pong => if (compressed) return error.ReservedBits,
            .text, .binary => if (compressed and !allows_compression) return error.ReservedBits,
            _ => return error.ReservedOpcode,
        }
        if (opcode.isControl() and !is_last) return error.InvalidControlFrame;
        if (bytes.len == 1) return null;
        const is_masked = bytes[1] & 0x80 != 0;
        if (is_masked != (sender == .client)) return error.InvalidMask;
        const short: u7 = @truncate(bytes[1]);
        if (opcode.isControl() and short > control_bytes_max) return error.InvalidControlFrame;
        const length_bytes: usize = switch (short) {
            0...125 => 0,
            126 => 2,
            127 => 8,
        };
        // The highest bit of 64 must be 0, and a short length must be written short: told by what is there.
        if (length_bytes == 8 and bytes.len > 2 and bytes[2] & 0x80 != 0) return error.InvalidLength;
        if (bytes.len < 2 + length_bytes) return null;
        const payload_bytes: u64 = switch (length_bytes) {
            0 => short,
            2 => std.mem.readInt(u16, bytes[2..4], .big),
            else => std.mem.readInt(u64, bytes[2..10], .big),
        };
        if (length_bytes == 2 and payload_bytes <= 125) return error.InvalidLength;
        if (length_bytes == 8 and payload_bytes <= 0xffff) return error.InvalidLength;
        const key_at = 2 + length_bytes;
        const header_bytes = key_at + @as(usize, if (is_masked) 4 else 0);
        if (bytes.len < header_bytes) return null;
        return .{
            .header = .{
                .opcode = opcode,
                .is_last = is_last,
                .compressed = compressed,
                .key = if (is_masked) bytes[key_at..][0..4].* else null,
                .payload_bytes = payload_bytes,
            },
            .bytes = header_bytes,
        };
    }

    /// Writes the header in as few bytes as it takes, and returns how many.
    pub fn write(header: Header, buffer: *[header_bytes_max]u8) usize {
        std.debug.assert(!header.opcode.isControl() or (header.is_last and header.payload_bytes <= control_bytes_max));
        buffer[0] = @intFromEnum(header.opcode);
        if (header.is_last) buffer[0] |= 0x80;
        if (header.compressed) buffer[0] |= 0x40;
        const masked: u8 = if (header.key != null) 0x80 else 0;
        var at: usize = 2;
        if (header.payload_bytes <= 125) {
            buffer[1] = masked | @as(u8, @intCast(header.payload_bytes));
        } else if (header.payload_bytes <= 0xffff) {
            buffer[1] = masked | 126;
            std.mem.writeInt(u16, buffer[2..4], @intCast(header.payload_bytes), .big);
            at = 4;
        } else {
            buffer[1] = masked | 127;
            std.mem.writeInt(u64, buffer[2..10], header.payload_bytes, .big);
            at = 10;
        }
        if (header.key) |key| {
            buffer[at..][0..4].* = key;
            at += 4;
        }
        return at;
    }
};

/// Why a connection is closed (RFC 6455 7.4). Others of the ranges that `isSendable` allows may come.
pub const CloseCode = enum(u16) {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported_data = 1003,
    invalid_payload = 1007,
    policy_violation = 1008,
    message_too_big = 1009,
    mandatory_extension = 1010,
    internal_error = 1011,
    service_restart = 1012,
    try_again_later = 1013,
    bad_gateway = 1014,
    _,

    /// Whether the code may stand in a frame: those of IANA's registry without 1004 to 1006 and 1015, which are never sent,
    /// and those of libraries and applications.
    pub fn isSendable(code: CloseCode) bool {
        return switch (@intFromEnum(code)) {
            1000...1003, 1007...1014, 3000...4999 => true,
            else => false,
        };
    }
};

pub const Close = struct {
    /// Null where the frame was empty.
    code: ?CloseCode,
    reason: []const u8 = "",
};

pub const CloseError = error{
    /// One byte, or a code that is never sent.
    InvalidCloseCode,
    InvalidCloseReason,
};

pub fn readClose(payload: []const u8) CloseError!Close {
    if (payload.len == 0) return .{ .code = null };
    if (payload.len == 1) return error.InvalidCloseCode;
    const code: CloseCode = @enumFromInt(std.mem.readInt(u16, payload[0..2], .big));
    if (!code.isSendable()) return error.InvalidCloseCode;
    if (!utf8.isValid(payload[2..])) return error.InvalidCloseReason;
    return .{ .code = code, .reason = payload[2..] };
}

/// The longest control frame of a server.
pub const control_frame_bytes_max = 2 + control_bytes_max;

/// A whole Ping or Pong of a server. `payload` is not longer than `control_bytes_max`.
pub fn writeControl(buffer: *[control_frame_bytes_max]u8, opcode: Opcode, payload: []const u8) []const u8 {
    std.debug.assert(opcode.isControl() and payload.len <= control_bytes_max);
    buffer[0] = 0x80 | @as(u8, @intFromEnum(opcode));
    buffer[1] = @intCast(payload.len);
    @memcpy(buffer[2..][0..payload.len], payload);
    return buffer[0 .. 2 + payload.len];
}

/// A whole Close of a server. A reason that is too long is cut between two characters; without a code there is none.
pub fn writeClose(buffer: *[control_frame_bytes_max]u8, code: ?CloseCode, reason: []const u8) []const u8 {
    var payload: [control_bytes_max]u8 = undefined;
    const number = code orelse return writeControl(buffer, .close, "");
    std.debug.assert(number.isSendable());
    std.mem.writeInt(u16, payload[0..2], @intFromEnum(number), .big);
    var len = @min(reason.len, control_bytes_max - 2);
    while (len < reason.len and len > 0 and reason[len] & 0xc0 == 0x80) len -= 1;
    @memcpy(payload[2..][0..len], reason[0..len]);
    return writeControl(buffer, .close, payload[0 .. 2 + len]);
}

test {
    _ = @import("frame_test.zig");
}
