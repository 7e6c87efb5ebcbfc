//! The chunked coding (RFC 9112 7.1), decoded where it lies: data comes out as slices of what went in.
//!
//! Resumed at any byte by 16 bytes of state. Extensions and trailers are checked by their grammar, bounded, and dropped,
//! as RFC 9110 6.5.1 and RFC 9112 7.1.1 allow.

const std = @import("std");
const bytes_of = @import("../bytes.zig");

/// Extensions of a whole body. Nobody uses them but to make a server work for bytes that no limit of the body counts
/// (CVE-2023-39326 is one of many); hyper and node allow as much.
pub const extension_bytes_max = 16 * 1024;

/// All trailer lines of a body.
pub const trailer_bytes_max = 8 * 1024;

pub const Error = error{
    /// Not a size in hexadecimal digits, beyond 64 bits, or no line end where one belongs.
    InvalidChunk,
    InvalidChunkExtension,
    ChunkExtensionTooLong,
    InvalidTrailer,
    TrailerTooLong,
};

/// What one call has done: `data` is a slice of its input, and `consumed` counts the input from its start on.
pub const Step = struct {
    consumed: usize,
    data: []const u8 = "",
    done: bool = false,
};

const State = enum(u8) {
    size_first,
    size,
    extension_name_first,
    extension_name,
    extension_value_first,
    extension_value,
    extension_quoted,
    extension_escape,
    extension_after_quote,
    size_line_feed,
    data,
    data_return,
    data_line_feed,
    /// Behind a size, where `lenient` allows it.
    size_space,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_line_feed,
    last_line_feed,
    done,
};

pub const Decoder = struct {
    /// Of the chunk: first its size while it is read, then what is left of its data.
    remaining: u64 = 0,
    extension_bytes: u16 = 0,
    trailer_bytes: u16 = 0,
    state: State = .size_first,
    /// Takes what hyper does: spaces behind a size, and any bytes but line ends in extensions. A size then has at most 15
    /// digits, which is beyond any limit of a body.
    lenient: bool = false,
    /// All trailer lines of a body.
    trailer_bytes_max: u16 = trailer_bytes_max,

    /// Reads until a piece of data, the end of the body, or the end of the input. Call it again with what it didn't
    /// consume, until it is done or has consumed everything.
    pub fn next(decoder: *Decoder, input: []const u8) Error!Step {
        var at: usize = 0;
        while (at < input.len) {
            if (decoder.state == .data) {
                const len: usize = @intCast(@min(decoder.remaining, input.len - at));
                decoder.remaining -= len;
                if (decoder.remaining == 0) decoder.state = .data_return;
                return .{ .consumed = at + len, .data = input[at..][0..len] };
            }
            if (decoder.state == .done) break;
            try decoder.feedByte(input[at]);
            at += 1;
        }
        return .{ .consumed = at, .done = decoder.state == .done };
    }

    /// What is still to come of the chunk whose data began.
    pub fn announced(decoder: *const Decoder) u64 {
        return if (decoder.state == .data) decoder.remaining else 0;
    }

    fn feedByte(decoder: *Decoder, byte: u8) Error!void {
        decoder.state = switch (decoder.state) {
            .size_first => blk: {
                decoder.remaining = std.fmt.charToDigit(byte, 16) catch return error.InvalidChunk;
                break :blk .size;
            },
            .size => switch (byte) {
                '\r' => .size_line_feed,
                ';' => .extension_name_first,
                ' ', '\t' => if (decoder.lenient) .size_space else return error.InvalidChunk,
                else => blk: {
                    const digit = std.fmt.charToDigit(byte, 16) catch return error.InvalidChunk;
                    const digits: u6 = if (decoder.lenient) 14 else 15;
                    if (decoder.remaining >> 4 * digits != 0) return error.InvalidChunk;
                    decoder.remaining = decoder.remaining << 4 | digit;
                    break :blk .size;
                },
            },
            .size_space => switch (byte) {
                '\r' => .size_line_feed,
                ';' => .extension_name_first,
                ' ', '\t' => .size_space,
                else => return error.InvalidChunk,
            },
            .size_line_feed => if (byte != '\n')
                return error.InvalidChunk
            else if (decoder.remaining == 0) .trailer_first else .data,
            .data_return => if (byte == '\r') .data_line_feed else return error.InvalidChunk,
            .data_line_feed => if (byte == '\n') .size_first else return error.InvalidChunk,
            .extension_name_first,
            .extension_name,
            .extension_value_first,
            .extension_value,
            .extension_quoted,
            .extension_escape,
            .extension_after_quote,
            => try decoder.extension(byte),
            .trailer_first, .trailer_name, .trailer_value, .trailer_line_feed, .last_line_feed => try decoder.trailer(byte),
            .data, .done => unreachable,
        };
    }

    /// `*( ";" name [ "=" ( token / quoted-string ) ] )`, without the spaces that only a lenient recipient takes.
    fn extension(decoder: *Decoder, byte: u8) Error!State {
        if (decoder.lenient) switch (byte) {
            '\r' => return .size_line_feed,
            '\n' => return error.InvalidChunkExtension,
            else => {
                decoder.extension_bytes += 1;
                return if (decoder.extension_bytes < extension_bytes_max) .extension_name else error.InvalidChunkExtension;
            },
        };
        decoder.extension_bytes += 1;
        if (decoder.extension_bytes > extension_bytes_max) return error.ChunkExtensionTooLong;
        const is_token = bytes_of.is(.token, byte);
        switch (decoder.state) {
            .extension_name_first => if (is_token) return .extension_name,
            .extension_name => if (is_token) return .extension_name else if (byte == '=') return .extension_value_first,
            .extension_value_first => if (is_token) return .extension_value else if (byte == '"') return .extension_quoted,
            .extension_value => if (is_token) return .extension_value,
            .extension_quoted => switch (byte) {
                '"' => return .extension_after_quote,
                '\\' => return .extension_escape,
                else => if (bytes_of.is(.field_value, byte)) return .extension_quoted,
            },
            .extension_escape => if (bytes_of.is(.field_value, byte)) return .extension_quoted,
            .extension_after_quote => {},
            else => unreachable,
        }
        switch (decoder.state) {
            .extension_name, .extension_value, .extension_after_quote => switch (byte) {
                ';' => return .extension_name_first,
                '\r' => return .size_line_feed,
                else => {},
            },
            else => {},
        }
        return error.InvalidChunkExtension;
    }

    fn trailer(decoder: *Decoder, byte: u8) Error!State {
        decoder.trailer_bytes += 1;
        if (decoder.trailer_bytes > decoder.trailer_bytes_max) return error.TrailerTooLong;
        switch (decoder.state) {
            .trailer_first => if (byte == '\r') return .last_line_feed else if (bytes_of.is(.token, byte)) return .trailer_name,
            .trailer_name => if (byte == ':') return .trailer_value else if (bytes_of.is(.token, byte)) return .trailer_name,
            .trailer_value => if (byte == '\r') return .trailer_line_feed else if (bytes_of.is(.field_value, byte)) return .trailer_value,
            .trailer_line_feed => if (byte == '\n') return .trailer_first,
            .last_line_feed => if (byte == '\n') return .done,
            else => unreachable,
        }
        return error.InvalidTrailer;
    }
};

test {
    _ = @import("chunked_test.zig");
}
